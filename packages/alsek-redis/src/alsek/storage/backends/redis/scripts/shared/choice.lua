-- Chooses the messages that a worker is given next. They stay in their ready sets until claim() in shared/claims.lua.
-- KEYS[6] the worker's claims
-- Needs: effects ready_sets
-- Rarely: ready_set_order

-- Add up to `want` messages from the ready sets of a queue to `picked`, best first.
local function pick(queue, classes, want, picked)
  local sets, last = {}, int(want - 1)
  for _, class in ipairs(classes) do
    for _, wish in ipairs(WISHES) do
      local key = P .. class .. wish .. ':' .. queue
      local list = try('ZRANGE', key, '0', last, 'WITHSCORES')
      if list.err then
        broken[queue] = list.err
        call('ZREM', P .. class .. wish, queue)
      elseif list[1] then
        sets[#sets + 1] =
          { key = key, index = P .. class .. wish, queue = queue, list = list, at = 1, suspect = string.byte(class) == 115 }
      end
    end
  end
  if not sets[1] then return end
  local only, uuids = #sets == 1 and sets[1], picked.uuids
  for _ = 1, want do
    local set = only or rarely().best_set(sets)
    local member = set and set.list[set.at]
    if not member then break end
    set.at = set.at + 2
    uuids[#uuids + 1] = string.sub(member, 14)
    picked.queue[#uuids], picked.suspect[#uuids] = queue, set.suspect
  end
  for _, set in ipairs(sets) do
    if set.at > 1 then picked.sets[#picked.sets + 1] = set end
  end
end

local function new_picked()
  return { uuids = {}, queue = {}, suspect = {}, sets = {} }
end

-- What this worker is given now: by its queues in order, then by priority and arrival. A suspect is given alone, if it
-- comes first, and only to a worker that holds nothing. The answer also tells whether there is no suspect at all (`unsuspected`), and
-- whether nothing else is left (`drained`).
-- `queue_after` goes through the queues, as next_queue(); `plain` and `suspects` are classes.
local function choose(limit, picked, queue_after, plain, suspects)
  local n, classes, careful = 0, plain, false
  if POLICY ~= 'freely' and POLICY ~= 'none' and not picked.uuids[1] then
    -- Nearly always there is no suspect: one look at the indexes saves four at the sets.
    local indexes = {}
    for _, class in ipairs(suspects) do
      for _, wish in ipairs(WISHES) do indexes[#indexes + 1] = P .. class .. wish end
    end
    -- More than eight are there only because of what is set aside. They may be thousands, so they are read in batches.
    if indexes[9] then careful = rarely().any_there(indexes) else careful = call('EXISTS', unpack(indexes)) > 0 end
    picked.unsuspected = not careful
    careful = careful and call('HLEN', KEYS[6]) <= 1
  end
  if careful then classes = rarely().joined(suspects, plain) end
  local queue = queue_after(0, nil, classes)
  while queue and #picked.uuids < limit do
    if careful and not picked.uuids[1] then
      pick(queue, classes, 1, picked)
      if picked.suspect[1] then break end
      picked = new_picked() -- another message comes before the suspect: it is picked below, with those after it
    end
    pick(queue, plain, limit - #picked.uuids, picked)
    n = n + 1
    queue = #picked.uuids < limit and queue_after(n, queue, classes)
  end
  picked.drained = queue == nil
  return picked
end
