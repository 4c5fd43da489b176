-- What a worker is given while a queue is paused, or messages are set aside.
-- Needs: choice rare_sets ready_set_order ready_sets

-- As choose(), also what is set aside for this worker; from queues that it does not name after all others.
local function choose_also_aside(limit, with_suspect, picked)
  look_further()
  local suspects = joined(SUSPECTS, aside_suspects)
  picked = choose(limit, with_suspect, picked, next_open, joined(CLASSES, aside_plain), suspects)
  local alone = POLICY ~= 'freely' and picked.suspect[1]
  if N_QUEUES < 0 or any_task or alone or #picked.uuids >= limit or not (aside_plain[1] or aside_suspects[1]) then
    return picked
  end
  return choose(limit, with_suspect, picked, next_other, aside_plain, aside_suspects)
end

-- Whether any index of these classes lists a queue.
local function any_listed(classes)
  local indexes = {}
  for _, class in ipairs(classes) do
    for _, wish in ipairs(WISHES) do indexes[#indexes + 1] = P .. class .. wish end
  end
  return any_there(indexes)
end

-- As any_waiting(), without what is paused, with what is set aside; all workers that have the task were woken before.
local function any_open(classes, wake_workers)
  look_further()
  if N_QUEUES < 0 then next_listed(nil, classes) end
  if passed_over > MOST or any_waiting(classes, wake_workers) then return true end
  local more = classes == SUSPECTS and aside_suspects or aside_plain
  if not any_listed(more) then return false end
  if N_QUEUES >= 0 and any_task then return any_waiting(more) end
  for _, class in ipairs(more) do
    if next_listed(nil, { class }) then return true end
  end
  return false
end
