-- What a worker is given while a queue is paused, or messages are set aside.
-- Needs: choice header member rare_sets ready_set_order ready_sets

-- 0.1.0 leaves the member of a message that is set aside and that it removes or reschedules. The message may have another
-- place since, so for such a member nothing is handed out: '' is no uuid. claim() takes it out of its set.
local function without_stale(picked)
  for _, set in ipairs(picked.sets) do
    for i = 1, string.find(set.index, 'aside:', #P + 1, true) and set.at - 2 or 0, 2 do
      local member = set.list[i]
      local uuid = string.sub(member, 14)
      local h = parse(call('HGET', MESSAGES, uuid) or '')
      for n = 1, h and member_of(h, uuid) ~= member and #picked.uuids or 0 do
        if picked.uuids[n] == uuid then picked.uuids[n] = '' break end
      end
    end
  end
  return picked
end

-- As choose(), also what is set aside for this worker; from queues that it does not name after all others.
local function choose_also_aside(limit, picked)
  look_further()
  local suspects = joined(SUSPECTS, aside_suspects)
  picked = choose(limit, picked, next_open, joined(CLASSES, aside_plain), suspects)
  local alone = POLICY ~= 'freely' and picked.suspect[1]
  local more = N_QUEUES >= 0 and not any_task and (aside_plain[1] or aside_suspects[1])
  if more and not alone and #picked.uuids < limit then
    picked = choose(limit, picked, next_other, aside_plain, aside_suspects)
  end
  return without_stale(picked)
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
