-- Reads claims: token|seq|flags, then the header of the message.
-- Needs: header
local CLAIM = '^(%d+)|(%d+)|(%d)|()'

-- Token, seq, flags (numbers) and header of a claim; nil if it can't be read.
local function parse_claim(claim)
  local token, seq, flags, from = string.match(claim, CLAIM)
  if not token then return nil end
  return tonumber(token), tonumber(seq), tonumber(flags), parse(claim, from)
end
