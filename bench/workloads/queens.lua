-- SPDX-License-Identifier: Apache-2.0
local n, count = 11, 0
local column, up, down = {}, {}, {}
local function place(row)
  if row > n then count = count + 1 return end
  for c = 1, n do
    if not column[c] and not up[row + c] and not down[row - c] then
      column[c], up[row + c], down[row - c] = true, true, true
      place(row + 1)
      column[c], up[row + c], down[row - c] = nil, nil, nil
    end
  end
end
for _ = 1, 8 do place(1) end
print(count)
