-- Messages that are set aside for workers that have their task. Their ready sets are of two more classes for each task:
-- 'aside:' task '\n' and 'suspects-aside:' task '\n'. The set `aside` has the tasks; such a task may have no message left.
-- A worker has the tasks in `tasks:<worker>`; what it told of itself is in the hash `facts`: time|kind|1 for any task|JSON.
-- `gone` has the tasks of workers that are gone, until when they count as known.
-- Needs: effects enter member wakeups
-- With keys: admission

-- Whether a worker has this task, or one had that went less than its lease ago. It is looked up once in a call.
local known = {}
local function is_known(task)
  if known[task] == nil then
    known[task] = (tonumber(call('ZSCORE', P .. 'gone', task) or 0) or 0) > NOW
    for _, worker in ipairs(known[task] and {} or call('ZRANGE', WORKERS, 0, -1)) do
      if call('SISMEMBER', P .. 'tasks:' .. worker, task) == 1 then known[task] = true break end
    end
  end
  return known[task]
end

-- Wake each worker that may take messages of this task and wish. Which of them sleep is not known.
local function call_workers(task, wish)
  local wishes_of = @wishes_of_kinds@
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    local kind, any_task = string.match(call('HGET', P .. 'facts', worker) or '', '^%d+|([%a-]+)|([01])|')
    local fits = string.find(wishes_of[kind or ''] or '', wish, 1, true)
    if fits and (any_task == '1' or call('SISMEMBER', P .. 'tasks:' .. worker, task) == 1) then
      wake({ P .. 'calls:' .. worker }, true)
    end
  end
end

-- Transition: a message becomes ready for workers that have this task, unless it must wait for a limit. If its ready set is overwritten, it is delayed.
local function enter_aside(h, uuid, suspect, task, is_let_in)
  local limited = string.find(h.tail, ';l=', 1, true) and not is_let_in
  if limited and not rarely().with_keys().is_admitted(h, uuid, suspect, task) then return end
  local ready_index = P .. (suspect and 'suspects-aside:' or 'aside:') .. task .. '\n' .. h.wish
  local set = ready_index .. ':' .. h.queue
  local new = call('EXISTS', set) == 0
  entered_aside = (entered_aside or 0) + 1
  call('HSET', COUNTERS, 'aside', '1')
  if call('SADD', P .. 'aside', task) and call('ZADD', ready_index, '0', h.queue) and
    call('ZADD', set, h.priority, member_of(h, uuid)) then
    if new then call_workers(task, h.wish) end
  else
    enter_delayed(h, uuid, NOW + BROKEN_PAUSE)
  end
end
