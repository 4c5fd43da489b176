-- The header of a record, read and written; its form is told in shared/base.lua.
local HEAD = @header_pattern@

-- The header at `from` in a record or claim as a table (its numbers are text), or nil if it is none.
local function parse(text, from)
  local @header_names@, body = string.match(text, HEAD, from)
  if not version then return nil end
  return { @header_table@, body = body }
end

local function format(h)
  return @header_text@
end
