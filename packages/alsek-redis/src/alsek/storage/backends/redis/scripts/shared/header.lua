-- The header of a record, read and written; its form is told in shared/base.lua.
local HEAD = @header_pattern@
local CLAIM = '^(%d+)|(%d+)|(%d)|()'

-- The header at `from` in a record or claim as a table (its numbers are text), or nil if it is none.
local function parse(text, from)
  local @header_names@, body = string.match(text, HEAD, from)
  if not version then return nil end
  return { @header_table@, body = body }
end

-- Of a claim: token, seq, flags (numbers) and header; nil if these bytes are none.
local function parse_claim(claim)
  local token, seq, flags, from = string.match(claim, CLAIM)
  if not token then return nil end
  return tonumber(token), tonumber(seq), tonumber(flags), parse(claim, from)
end

local function format(h)
  return @header_text@
end

-- The member of a ready set: first in, first out within a priority.
local function place_of(h, uuid)
  return string.format('%013d', h.arrival) .. uuid
end
