-- Store a result, unless the stored one was written under a newer token.
-- ARGV[2] uuid, ARGV[3] payload, ARGV[4] ttl, ARGV[5] token, ARGV[6] progenitor or ''
-- Returns: whether it was stored
-- Needs: result
local stored = string.match(call('GET', P .. 'results:' .. ARGV[2]) or '', '^%d+|(%d+)')
if stored and tonumber(stored) > tonumber(ARGV[5]) then return 0 end
write_result(ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6])
return 1
