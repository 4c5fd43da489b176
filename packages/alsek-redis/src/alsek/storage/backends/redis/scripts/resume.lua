-- End the pause of a queue, and wake workers for what is ready in it.
-- ARGV[2] queue
-- Returns: 1, or 0 if it is not paused
-- Needs: ready_classes set_aside wakeups
local queue, PAUSED = ARGV[2], P .. 'paused'
if call('HEXISTS', PAUSED, queue) == 0 then return 0 end
call('HEXISTS', COUNTERS, 'paused')
commit()
call('HDEL', PAUSED, queue)
if call('EXISTS', PAUSED) == 0 then call('HDEL', COUNTERS, 'paused') end
for n = 1, math.huge do
  local class = class_number(n)
  if not class then return 1 end
  local task = string.match(class, 'aside:(.*)\n$')
  for _, wish in ipairs(ALL_WISHES) do
    local ready_index = P .. class .. wish
    if call('EXISTS', ready_index .. ':' .. queue) == 1 then
      call('ZADD', ready_index, '0', queue)
      if task then call_workers(task, wish) else wake(token_lists(wish, queue)) end
    end
  end
end
