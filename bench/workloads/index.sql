-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, name TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500000)
INSERT INTO t SELECT i, (i * 7919) % 100003, 'name ' || (i * 31 % 5000) FROM n;
CREATE INDEX by_k ON t(k);
CREATE INDEX by_name ON t(name, k);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
SELECT count(*), sum(t.id) FROM n JOIN t ON t.k = n.i * 2;
