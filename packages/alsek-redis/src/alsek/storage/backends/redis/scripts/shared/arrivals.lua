-- What comes from another store.
-- Needs: ttl

-- How long something is kept that expires at `expiry` ('' for never), as text; nil if it has expired.
local function lives(expiry)
  if expiry == '' then return '-1' end
  return tonumber(expiry) > NOW and int(expiry - NOW) or nil
end

-- Store and publish a status as it was in the other store.
local function take_in_status(uuid, packed, expiry)
  local ttl = lives(expiry)
  if not ttl then return end
  set_for(P .. 'statuses:' .. uuid, packed, ttl)
  try('PUBLISH', C .. 'statuses:' .. uuid, packed)
end
