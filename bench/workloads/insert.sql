-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, name TEXT, v REAL);
BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
INSERT INTO t SELECT i, (i * 7919) % 100003, 'name ' || (i * 31 % 5000), i * 0.5 FROM n;
COMMIT;
SELECT count(*), sum(k), max(name) FROM t;
