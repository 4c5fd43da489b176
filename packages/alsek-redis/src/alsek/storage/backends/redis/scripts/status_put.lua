-- Store and publish a status if the conditions hold that are set.
-- ARGV[2] uuid, ARGV[3] status, ARGV[4] details, ARGV[5] ttl, ARGV[6] '1': only if no status is stored,
-- ARGV[7] the stored status must begin with this (status|timestamp|); '' for no condition
-- Returns: whether it was stored
-- Needs: status ttl
local key = P .. 'statuses:' .. ARGV[2]
if ARGV[6] == '1' and call('EXISTS', key) == 1 then return 0 end
if ARGV[7] ~= '' and string.sub(call('GET', key) or '', 1, #ARGV[7]) ~= ARGV[7] then return 0 end
local packed = ARGV[3] .. STAMP .. ARGV[4]
set_for(key, packed, ARGV[5])
try('PUBLISH', C .. 'statuses:' .. ARGV[2], packed)
return 1
