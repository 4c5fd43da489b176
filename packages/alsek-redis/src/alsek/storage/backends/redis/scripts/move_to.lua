-- Begin to move things into this namespace, or go on.
-- ARGV[2] move, ARGV[3] name of the source, ARGV[4] and ARGV[5]: give out only higher tokens and fence numbers
-- Returns: {batch, bytes} of what is staged, '' for nothing
local key, into = P .. 'moves', 'in:' .. ARGV[3] .. ':'
local batch, data = unpack(call('HMGET', key, into .. 'batch', into .. 'data'))
local token, fence = call('HINCRBY', COUNTERS, 'token', '0'), call('HINCRBY', COUNTERS, 'fence', '0')
commit()
call('HSET', COUNTERS, 'token', int(math.max(token, ARGV[4])), 'fence', int(math.max(fence, ARGV[5])))
call('HSET', key, into .. 'move', ARGV[2])
return { batch or '', data or '' }
