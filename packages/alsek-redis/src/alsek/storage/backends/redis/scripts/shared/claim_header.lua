-- The text of a claim, read: token|seq|flags, then the header of its message.
-- Needs: header
local CLAIM = '^(%d+)|(%d+)|(%d)|()'

-- Of a claim: token, seq, flags (numbers) and header; nil if these bytes are none.
local function parse_claim(claim)
  local token, seq, flags, from = string.match(claim, CLAIM)
  if not token then return nil end
  return tonumber(token), tonumber(seq), tonumber(flags), parse(claim, from)
end
