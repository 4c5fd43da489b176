-- Keep bytes that stand for a batch, in place of an earlier one.
-- ARGV[2] move, ARGV[3] name of the source, ARGV[4] batch, ARGV[5] bytes
-- Returns: 1, or nil if another move has opened the store
local key, into = P .. 'moves', 'in:' .. ARGV[3] .. ':'
if call('HGET', key, into .. 'move') ~= ARGV[2] then return false end
commit()
call('HSET', key, into .. 'batch', ARGV[4], into .. 'data', ARGV[5])
return 1
