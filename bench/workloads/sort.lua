-- SPDX-License-Identifier: Apache-2.0
local seed, values = 42, {}
for i = 1, 400000 do seed = (seed * 1103515245 + 12345) % 2147483648; values[i] = seed end
table.sort(values)
local check = 0
for i = 1, #values, 1000 do check = (check * 31 + values[i]) % 1000000007 end
table.sort(values, function(a, b) return a > b end)
print(check, values[1] >= values[2])
