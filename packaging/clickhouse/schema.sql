-- Traces of many hosts in ClickHouse: docs/fleet.md. The names of the columns are those of the
-- trace's fields, so a line is a row as it is; `load` adds the host, which a trace says once.

CREATE DATABASE IF NOT EXISTS tcpdwell;

CREATE TABLE IF NOT EXISTS tcpdwell.transitions (
  host String,
  -- fields of a transition: of user/model/fields.h, written by `ninja -C build fields`
  ts String,
  mono_ns UInt64,
  conn String,
  netns UInt32,
  family UInt8,
  laddr String,
  lport UInt16,
  raddr String,
  rport UInt16,
  iface String,
  old String,
  new String,
  dwell_ns Nullable(UInt64),
  dwell String,
  pid Nullable(UInt32),
  comm String,
  owner String,
  cgroup UInt64,
  bound UInt8,
  port_range_first Nullable(UInt16),
  port_range_last Nullable(UInt16),
  port_range_reserved Nullable(UInt32),
  gap UInt8,
  reason String,
  errno String,
  timer_restarts UInt32,
  defer_accept UInt8,
  accept_queue_full UInt8,
  life_ns Nullable(UInt64),
  path String,
  closer String,
  bytes_sent Nullable(UInt64),
  bytes_received Nullable(UInt64),
  segs_out Nullable(UInt32),
  segs_in Nullable(UInt32),
  retrans Nullable(UInt32),
  srtt_us Nullable(UInt32),
  min_rtt_us Nullable(UInt32),
  rst String,
  idle_ms Nullable(UInt32),
  recv_queue Nullable(UInt32),
  send_queue Nullable(UInt32),
  recv_queue_peak Nullable(UInt32),
  drops Nullable(UInt32),
  -- end
  minute DateTime DEFAULT toStartOfMinute(parseDateTimeBestEffort(ts))
) ENGINE = MergeTree PARTITION BY toYYYYMM(minute) ORDER BY (host, old, minute);

-- Exact dwells per minute, host, state and process as a histogram: quantiles of any span without
-- reading the lines. Counters add up, so no merging makes them less true. As in tcpdwell's own
-- histogram there are 64 buckets in every power of two; `about_ns` is the middle of one, within
-- 1/128 of every dwell in it.
CREATE MATERIALIZED VIEW IF NOT EXISTS tcpdwell.dwell_per_minute
ENGINE = SummingMergeTree PARTITION BY toYYYYMM(minute) ORDER BY (minute, host, old, comm, about_ns, width)
AS SELECT
  minute, host, old, comm,
  intDiv(assumeNotNull(dwell_ns), width) * width + intDiv(width, 2) AS about_ns,
  toUInt64(pow(2, greatest(floor(log2(greatest(assumeNotNull(dwell_ns), 1))) - 6, 0))) AS width,
  count() AS dwells
FROM tcpdwell.transitions
WHERE dwell = 'exact'
GROUP BY minute, host, old, comm, about_ns, width;
