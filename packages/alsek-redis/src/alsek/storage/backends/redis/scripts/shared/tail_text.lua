-- Texts in the tail of a header.

-- A key as it is. In it none of the signs stands that are escaped in a tail, but '%'.
local function key_of(text)
  return string.find(text, '%', 1, true) and (string.gsub(text, '%%25', '%%')) or text
end
