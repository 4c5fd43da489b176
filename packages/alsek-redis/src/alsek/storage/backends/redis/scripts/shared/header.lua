-- Reads and writes the header of a record. shared/base.lua describes its form.
local HEAD = @header_pattern@

-- The header at `from` in a record or claim as a table (its numbers are text); nil if it can't be read.
local function parse(text, from)
  local @header_names@, body = string.match(text, HEAD, from)
  if not version then return nil end
  return { @header_table@, body = body }
end

-- The text of a header.
local function format(h)
  return @header_text@
end
