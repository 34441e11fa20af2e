-- Dwell per state of all hosts, as `tcpdwell report` shows it (percentiles of exact dwells alone).
SELECT state, sum(exact + at_least + unknown) AS count, quantilesExactWeightedMerge(0.5, 0.9, 0.99)(quantiles) AS p50_p90_p99_ns
FROM tcpdwell.dwells GROUP BY state ORDER BY state;

-- The hosts where CLOSE_WAIT lasts longest.
SELECT host, comm, sum(exact + at_least + unknown) AS count, quantileExactWeightedMerge(0.99)(quantiles) AS p99_ns
FROM tcpdwell.dwells WHERE state = 'CLOSE_WAIT' GROUP BY host, comm ORDER BY p99_ns DESC LIMIT 10;

-- Destinations that refuse or do not answer: of transitions, and of connections.
SELECT raddr, rport, reason, count() AS times, uniq(host) AS hosts
FROM tcpdwell.transitions WHERE old = 'SYN_SENT' AND new = 'CLOSE' GROUP BY raddr, rport, reason
ORDER BY times DESC LIMIT 10;
SELECT raddr, rport, reason, count() AS times, uniq(host) AS hosts
FROM tcpdwell.connections WHERE NOT open AND path = 'SYN_SENT>CLOSE' GROUP BY raddr, rport, reason
ORDER BY times DESC LIMIT 10;

-- How connections end, per minute: of transitions, and of connections.
SELECT toStartOfMinute(ts) AS minute, reason, closer, count() AS connections
FROM tcpdwell.transitions WHERE new = 'CLOSE' GROUP BY minute, reason, closer ORDER BY minute, connections DESC LIMIT 100;
SELECT toStartOfMinute(written) AS minute, reason, closer, count() AS connections
FROM tcpdwell.connections WHERE NOT open GROUP BY minute, reason, closer ORDER BY minute, connections DESC LIMIT 100;
