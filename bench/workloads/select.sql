-- SPDX-License-Identifier: Apache-2.0
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800000)
SELECT sum(i * i % 17), sum(length(printf('%d-%x', i, i))), sum(CASE WHEN i % 3 = 0 THEN 1 ELSE abs(i - 7) END) FROM n;
