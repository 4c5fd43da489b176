-- Pause a queue. Its messages stay in their ready sets; the indexes of these no longer list it.
-- ARGV[2] queue, ARGV[3] by whom
-- Returns: 1, or 0 if it is paused already
-- Needs: ready_classes
local queue, PAUSED = ARGV[2], P .. 'paused'
if call('HEXISTS', PAUSED, queue) == 1 then return 0 end
call('HEXISTS', COUNTERS, 'paused')
commit()
call('HSET', PAUSED, queue, int(NOW) .. '|' .. ARGV[3])
call('HSET', COUNTERS, 'paused', '1')
for _, class in ipairs(PLAIN_CLASSES) do
  for _, wish in ipairs(ALL_WISHES) do call('ZREM', P .. class .. wish, queue) end
end
return 1
