-- Take a lock if it is free. If its owner takes it again, nothing changes. Fence numbers grow and never repeat.
-- ARGV[2] name, ARGV[3] owner, ARGV[4] ttl
-- Returns: its record: expiry|fence|owner
local key = P .. 'locks:' .. ARGV[2]
local held = call('GET', key)
if held and (tonumber(string.match(held, '^%d+')) or 0) > NOW then return held end
local taken = int(NOW + tonumber(ARGV[4])) .. '|' .. call('HINCRBY', COUNTERS, 'fence', 1) .. '|' .. ARGV[3]
commit()
call('SET', key, taken, 'PX', ARGV[4])
return taken
