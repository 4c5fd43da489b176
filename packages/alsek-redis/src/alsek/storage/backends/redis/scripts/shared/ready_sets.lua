-- Which ready sets a worker takes from, and whether they hold anything. A ready set has a class: 'ready:' or 'suspects:',
-- or one of shared/set_aside.lua. Its index has the queues that have such a set; those that are paused may be missing there.
-- ARGV[2] worker id, ARGV[3] its kind, ARGV[4] its lease, ARGV[5] its dlq_ttl, ARGV[6] its suspect policy
-- ('none': it takes none now, since it holds messages of other partitions),
-- ARGV[7] how many queues it names (-1: it takes from all), ARGV[8…] their names
-- Needs: effects wakeups
-- Rarely: ready_set_order
local WISHES = @wishes_of_worker@
local POLICY, N_QUEUES = ARGV[6], tonumber(ARGV[7])
local AFTER_QUEUES = 8 + math.max(N_QUEUES, 0)
local CLASSES = { POLICY ~= 'only' and 'ready:' or nil, POLICY == 'freely' and 'suspects:' or nil }
local SUSPECTS = { 'suspects:' }
-- Queues that the worker names and that are paused.
local closed = {}

-- The queue after `last`, which is the worker's n-th; nil after the last one. Without `n`: after `last` in the indexes.
local function next_queue(n, last, classes)
  if n and N_QUEUES >= 0 then return n < N_QUEUES and ARGV[8 + n] or nil end
  local best
  for _, class in ipairs(classes) do
    for _, wish in ipairs(WISHES) do
      local from = last and '(' .. last or '-'
      local found = try('ZRANGEBYLEX', P .. class .. wish, from, '+', 'LIMIT', '0', '1')
      if found.err then broken[P .. class .. wish] = found.err end
      local queue = found[1]
      if queue and (not best or queue ~= best and rarely().comes_before(queue, best)) then best = queue end
    end
  end
  return best
end

-- Whether any ready set of these classes holds a message for this worker; with `wake_workers` every such set wakes one more.
local function any_waiting(classes, wake_workers)
  local any = false
  for _, class in ipairs(classes) do
    for _, wish in ipairs(WISHES) do
      local set = P .. class .. wish
      for n = 8, N_QUEUES < 0 and 8 or AFTER_QUEUES - 1 do
        local queue = N_QUEUES >= 0 and ARGV[n]
        if not (broken[queue or set] or closed[queue]) and call('EXISTS', queue and set .. ':' .. queue or set) == 1 then
          if not wake_workers then return true end
          any = true
          queue = queue or call('ZRANGE', set, '0', '0')[1]
          if queue then wake(token_lists(wish, queue)) end
        end
      end
    end
  end
  return any
end
