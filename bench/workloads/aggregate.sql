-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE t(k INTEGER, name TEXT, v REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
INSERT INTO t SELECT (i * 7919) % 997, 'name ' || (i * 31 % 5000), i * 0.5 FROM n;
SELECT count(*), sum(s), max(a) FROM (SELECT k, sum(v) AS s, avg(v) AS a FROM t GROUP BY k);
SELECT name, count(*), round(sum(v), 3) FROM t GROUP BY name ORDER BY 3 DESC, 1 LIMIT 5;
SELECT count(DISTINCT name) FROM t WHERE name LIKE '%9%' AND v > 1000;
