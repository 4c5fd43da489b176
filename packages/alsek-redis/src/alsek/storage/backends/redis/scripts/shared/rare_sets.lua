-- Which ready sets a worker takes from while a queue is paused, or messages are set aside: shared/set_aside.lua describes
-- these keys.
-- ARGV[2] worker id; queues as in shared/ready_sets.lua
-- Needs: effects fetch heartbeat ready_classes ready_sets
local aside_plain, aside_suspects, any_task
local visited = 0

-- Reads what is paused and set aside for this worker: once, and again if this call has set more aside since. In passing it
-- removes a task for which nothing is left.
local seen
local function look_further()
  if aside_plain and seen == entered_aside then return end
  aside, seen = aside or entered_aside, entered_aside
  aside_plain, aside_suspects = {}, {}
  local names = {}
  for n = 8, paused and AFTER_QUEUES - 1 or 0 do names[#names + 1] = ARGV[n] end
  for n, pause in ipairs(names[1] and fetch(P .. 'paused', names) or {}) do closed[names[n]] = pause end
  if not aside then return end
  local worker, tasks = ARGV[2], P .. 'aside'
  local task, indexes = call('SRANDMEMBER', tasks, 1)[1], {}
  for _, wish in ipairs(ALL_WISHES) do
    indexes[#indexes + 1] = tasks .. ':' .. (task or '') .. '\n' .. wish
    indexes[#indexes + 1] = P .. 'suspects-aside:' .. (task or '') .. '\n' .. wish
  end
  if task and call('EXISTS', unpack(indexes)) == 0 then call('SREM', tasks, task) end
  if call('EXISTS', tasks) == 0 then call('HDEL', COUNTERS, 'aside') end
  any_task = string.find(call('HGET', P .. 'facts', worker) or '', '^%d+|[%a-]+|1|')
  for _, name in ipairs(any_task and call('SMEMBERS', tasks) or call('SINTER', tasks, P .. 'tasks:' .. worker)) do
    local suspects = POLICY == 'freely' and aside_plain or aside_suspects
    if POLICY ~= 'only' then aside_plain[#aside_plain + 1] = 'aside:' .. name .. '\n' end
    suspects[#suspects + 1] = 'suspects-aside:' .. name .. '\n'
  end
end

-- The queue after `last` in the indexes of these classes that is not paused. Those that are leave the plain indexes: at most
-- 500 in one call, so that no step takes long; the next one goes on. Those that are only in other indexes stay there.
local passed_over, MOST = 0, 500
local function next_listed(last, classes)
  local queue = next_queue(nil, last, classes)
  while queue and paused and call('HEXISTS', P .. 'paused', queue) == 1 do
    if passed_over >= MOST then return nil end
    local left = 0
    for _, class in ipairs(PLAIN_CLASSES) do
      for _, wish in ipairs(WISHES) do left = left + (call('ZREM', P .. class .. wish, queue) or 0) end
    end
    if left > 0 then passed_over = passed_over + 1 end
    queue = next_queue(nil, queue, classes)
  end
  return queue
end

-- As next_queue(), without those that are paused.
local function next_open(_, last, classes)
  if N_QUEUES < 0 then return next_listed(last, classes) end
  visited = visited + 1
  while visited <= N_QUEUES and closed[ARGV[7 + visited]] do visited = visited + 1 end
  return visited <= N_QUEUES and ARGV[7 + visited] or nil
end

-- A queue that the worker does not name.
local named
local function next_other(_, last, classes)
  if not named then
    named = {}
    for n = 8, AFTER_QUEUES - 1 do named[ARGV[n]] = true end
  end
  local queue = next_listed(last, classes)
  while named[queue or ''] do queue = next_listed(queue, classes) end
  return queue
end
