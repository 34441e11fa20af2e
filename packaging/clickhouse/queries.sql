-- Dwell per state of all hosts, as `tcpdwell report` shows it (exact dwells alone).
SELECT old AS state, sum(dwells) AS count,
       quantilesExactWeighted(0.5, 0.9, 0.99)(about_ns, dwells) AS p50_p90_p99_ns
FROM tcpdwell.dwell_per_minute GROUP BY old ORDER BY old;

-- The hosts where CLOSE_WAIT lasts longest.
SELECT host, comm, sum(dwells) AS count, quantileExactWeighted(0.99)(about_ns, dwells) AS p99_ns
FROM tcpdwell.dwell_per_minute WHERE old = 'CLOSE_WAIT' GROUP BY host, comm ORDER BY p99_ns DESC LIMIT 10;

-- Destinations that refuse or do not answer.
SELECT raddr, rport, reason, count() AS times, uniq(host) AS hosts
FROM tcpdwell.transitions WHERE old = 'SYN_SENT' AND new = 'CLOSE' GROUP BY raddr, rport, reason
ORDER BY times DESC LIMIT 10;

-- How connections end, per minute.
SELECT minute, reason, closer, count() AS connections
FROM tcpdwell.transitions WHERE new = 'CLOSE' GROUP BY minute, reason, closer ORDER BY minute, connections DESC LIMIT 100;
