-- Writes and publishes statuses.
-- Needs: ttl
local STAMP = '|' .. int(NOW) .. '|'

-- A ttl of '0' is that of a message that is not tracked. The status is stored even if this user may not publish.
local function write_status(uuid, code, ttl)
  if ttl == '0' then return end
  local name, packed = P .. 'statuses:' .. uuid, code .. STAMP
  set_for(name, packed, ttl)
  try('PUBLISH', C .. 'statuses:' .. uuid, packed)
end
