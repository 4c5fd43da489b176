-- Begin to move things out of this namespace, or go on where another move to the same target ended.
-- ARGV[2] move, ARGV[3] name of the target, ARGV[4] where it is, ARGV[5] lease, ARGV[6] '1': forget a move to another target
-- Returns: {1, last token, last fence number, last batch, which of it were taken out}; or {0, how long another move may
-- still be at work, where a move to another target went}
local key = P .. 'moves'
local old, target, place, beat, batch, taken =
  unpack(call('HMGET', key, 'out:move', 'out:target', 'out:place', 'out:beat', 'out:batch', 'out:taken'))
local token, fence = call('HINCRBY', COUNTERS, 'token', '0'), call('HINCRBY', COUNTERS, 'fence', '0')
local elsewhere = old and target ~= ARGV[3]
if old and old ~= ARGV[2] then
  local left = beat + ARGV[5] - NOW
  if left > 0 then return { 0, int(left), '' } end
  if elsewhere and ARGV[6] ~= '1' then return { 0, '0', place } end
end
if elsewhere then batch, taken = '', '' end
commit()
call('HSET', key, 'out:move', ARGV[2], 'out:target', ARGV[3], 'out:place', ARGV[4], 'out:beat', int(NOW),
  'out:batch', batch or '', 'out:taken', taken or '')
return { 1, int(token), int(fence), batch or '', taken or '' }
