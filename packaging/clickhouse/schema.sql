-- Traces of many hosts in ClickHouse: docs/fleet.md. The names of the columns are those of the trace's fields, so
-- a line is a row as it is; `insert` adds the host, which a trace says once. What a line lacks is NULL,
-- or '' where it is a word. An IPv4 address is ::ffff:… of IPv6.

CREATE DATABASE IF NOT EXISTS tcpdwell;

-- A row a transition: of `record`.
CREATE TABLE IF NOT EXISTS tcpdwell.transitions (
  host LowCardinality(String),
  -- fields of a transition: of user/model/fields.h, written by `ninja -C build fields`
  ts DateTime64(9, 'UTC'),
  mono_ns UInt64,
  conn String,
  netns UInt32,
  family UInt8,
  laddr IPv6,
  lport UInt16,
  raddr IPv6,
  rport UInt16,
  iface LowCardinality(String),
  old LowCardinality(String),
  new LowCardinality(String),
  dwell_ns Nullable(UInt64),
  dwell LowCardinality(String),
  pid Nullable(UInt32),
  comm LowCardinality(String),
  owner LowCardinality(String),
  cgroup UInt64,
  owner_cgroup UInt64,
  socket_cgroup Nullable(UInt64),
  bound Bool,
  port_range_first Nullable(UInt16),
  port_range_last Nullable(UInt16),
  port_range_reserved Nullable(UInt32),
  gap Bool,
  reason LowCardinality(String),
  errno LowCardinality(String),
  timer_restarts UInt32,
  defer_accept Bool,
  accept_queue_full Bool,
  accept_wait_ns Nullable(UInt64),
  life_ns Nullable(UInt64),
  path LowCardinality(String),
  closer LowCardinality(String),
  bytes_sent Nullable(UInt64),
  bytes_received Nullable(UInt64),
  segs_out Nullable(UInt32),
  segs_in Nullable(UInt32),
  retrans Nullable(UInt32),
  srtt_us Nullable(UInt32),
  min_rtt_us Nullable(UInt32),
  rst LowCardinality(String),
  idle_ms Nullable(UInt32),
  recv_queue Nullable(UInt32),
  send_queue Nullable(UInt32),
  recv_queue_peak Nullable(UInt32),
  drops Nullable(UInt32),
  -- end
  type LowCardinality(String)
) ENGINE = MergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (host, old, ts)
TTL toDateTime(ts) + INTERVAL 30 DAY SETTINGS ttl_only_drop_parts = 1;

-- A row a connection that has ended: of `record --lines connections`. One that is open while the recorder
-- writes what is open has a row each time, with `open` and the stays that were over since the row before.
CREATE TABLE IF NOT EXISTS tcpdwell.connections (
  host LowCardinality(String),
  -- fields of a connection: of user/model/fields.h, written by `ninja -C build fields`
  start Nullable(DateTime64(9, 'UTC')),
  end Nullable(DateTime64(9, 'UTC')),
  ts Nullable(DateTime64(9, 'UTC')),
  open Bool,
  conn String,
  netns UInt32,
  family UInt8,
  laddr IPv6,
  lport UInt16,
  raddr IPv6,
  rport UInt16,
  iface LowCardinality(String),
  state LowCardinality(String),
  stays Array(Tuple(state LowCardinality(String), dwell_ns Nullable(UInt64), dwell LowCardinality(String))),
  stays_left_out UInt32,
  pid Nullable(UInt32),
  comm LowCardinality(String),
  owner LowCardinality(String),
  cgroup UInt64,
  owner_cgroup UInt64,
  socket_cgroup Nullable(UInt64),
  bound Bool,
  gap Bool,
  reason LowCardinality(String),
  errno LowCardinality(String),
  timer_restarts UInt32,
  defer_accept Bool,
  accept_queue_full Bool,
  accept_wait_ns Nullable(UInt64),
  life_ns Nullable(UInt64),
  path LowCardinality(String),
  closer LowCardinality(String),
  bytes_sent Nullable(UInt64),
  bytes_received Nullable(UInt64),
  segs_out Nullable(UInt32),
  segs_in Nullable(UInt32),
  retrans Nullable(UInt32),
  srtt_us Nullable(UInt32),
  min_rtt_us Nullable(UInt32),
  rst LowCardinality(String),
  idle_ms Nullable(UInt32),
  recv_queue Nullable(UInt32),
  send_queue Nullable(UInt32),
  recv_queue_peak Nullable(UInt32),
  drops Nullable(UInt32),
  -- end
  type LowCardinality(String),
  written DateTime64(9, 'UTC') MATERIALIZED assumeNotNull(coalesce(end, ts))
) ENGINE = MergeTree PARTITION BY toYYYYMMDD(written) ORDER BY (host, raddr, rport, written)
TTL toDateTime(written) + INTERVAL 90 DAY SETTINGS ttl_only_drop_parts = 1;

-- The middle of a duration's bucket. As in tcpdwell's own histogram there are 64 buckets in every power of two, so it
-- is within 1/128 of every duration in the bucket. The first function says how wide a bucket is.
CREATE FUNCTION IF NOT EXISTS tcpdwellWidth AS (ns) -> bitShiftLeft(toUInt64(1), toUInt8(greatest(floor(log2(greatest(ns, 1))) - 6, 0)));
CREATE FUNCTION IF NOT EXISTS tcpdwellBucket AS (ns) -> intDiv(ns, tcpdwellWidth(ns)) * tcpdwellWidth(ns) + intDiv(tcpdwellWidth(ns), 2);

-- Finished dwells of both kinds of line per minute, host, state and process. `quantiles` is a state that merges:
-- a weight for each bucket, so that quantiles of any span, host and process are as true as those of a minute.
-- Like those of `report` they are of the exact dwells alone.
CREATE TABLE IF NOT EXISTS tcpdwell.dwells (
  minute DateTime('UTC'),
  host LowCardinality(String),
  state LowCardinality(String),
  comm LowCardinality(String),
  exact SimpleAggregateFunction(sum, UInt64),
  at_least SimpleAggregateFunction(sum, UInt64),
  unknown SimpleAggregateFunction(sum, UInt64),
  min_ns SimpleAggregateFunction(min, Nullable(UInt64)),
  max_ns SimpleAggregateFunction(max, Nullable(UInt64)),
  total_ns SimpleAggregateFunction(sum, UInt64),
  quantiles AggregateFunction(quantilesExactWeighted(0.5, 0.9, 0.99), UInt64, UInt64)
) ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(minute) ORDER BY (state, host, comm, minute)
TTL minute + INTERVAL 1 YEAR SETTINGS ttl_only_drop_parts = 1;

-- Finished dwells one by one, on their way into that table: nothing is kept of them here.
CREATE TABLE IF NOT EXISTS tcpdwell.finished (
  at DateTime64(9, 'UTC'),
  host LowCardinality(String),
  state LowCardinality(String),
  comm LowCardinality(String),
  dwell_ns Nullable(UInt64),
  dwell LowCardinality(String)
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS tcpdwell.dwells_of_finished TO tcpdwell.dwells AS
SELECT toStartOfMinute(toDateTime(at, 'UTC')) AS minute, host, state, comm,
       countIf(dwell = 'exact') AS exact, countIf(dwell = 'at_least') AS at_least, countIf(dwell = 'unknown') AS unknown,
       minIf(dwell_ns, dwell = 'exact') AS min_ns, maxIf(dwell_ns, dwell = 'exact') AS max_ns,
       sumIf(assumeNotNull(dwell_ns), dwell = 'exact') AS total_ns,
       quantilesExactWeightedState(0.5, 0.9, 0.99)(tcpdwellBucket(assumeNotNull(dwell_ns)), toUInt64(dwell = 'exact')) AS quantiles
FROM tcpdwell.finished GROUP BY minute, host, state, comm;

-- The first line of a connection ends no stay.
CREATE MATERIALIZED VIEW IF NOT EXISTS tcpdwell.finished_in_transitions TO tcpdwell.finished AS
SELECT ts AS at, host, old AS state, comm, dwell_ns, dwell
FROM tcpdwell.transitions WHERE NOT (old = 'CLOSE' OR (old = 'LISTEN' AND new = 'SYN_RECV'));

-- Of an open connection the last stay goes on, and comes again in its next line.
CREATE MATERIALIZED VIEW IF NOT EXISTS tcpdwell.finished_in_connections TO tcpdwell.finished AS
SELECT written AS at, host, stay.state AS state, comm, stay.dwell_ns AS dwell_ns, stay.dwell AS dwell
FROM tcpdwell.connections ARRAY JOIN if(open, arrayPopBack(stays), stays) AS stay;
