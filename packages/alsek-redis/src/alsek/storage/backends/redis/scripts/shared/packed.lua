-- Several texts in one: each as length:text.

-- Add the texts to a list.
local function unpack_into(list, packed)
  local at = 1
  while at <= #packed do
    local length, from = string.match(packed, '^(%d+):()', at)
    at = from + length
    list[#list + 1] = string.sub(packed, from, at - 1)
  end
end
