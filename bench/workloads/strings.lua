-- SPDX-License-Identifier: Apache-2.0
local parts = {}
for i = 1, 400000 do parts[#parts + 1] = "item " .. i .. ":" .. (i * 7919 % 1000) .. ";" end
local text = table.concat(parts)
local count, sum = 0, 0
for name, value in text:gmatch("(item %d+):(%d+);") do count = count + #name; sum = sum + tonumber(value) end
print(#text, count, sum, #text:upper():gsub("ITEM", "thing"), text:find("item 399999", 1, true))
