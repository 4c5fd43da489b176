-- Choosing what a worker is given next. It stands in its ready sets until claim() takes it.
-- Needs: effects ready_sets
-- Rarely: ready_set_order

-- Up to `want` of what stands in these rooms of a queue, best first, added to `picked`.
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
          { key = key, index = P .. class .. wish, queue = queue, list = list, at = 1, suspect = class == 'suspects:' }
      end
    end
  end
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

-- Out of their ready sets.
local function take(sets)
  for _, set in ipairs(sets) do
    call('ZREMRANGEBYRANK', set.key, '0', int((set.at - 1) / 2 - 1))
    if not set.list[set.at] and call('EXISTS', set.key) == 0 then call('ZREM', set.index, set.queue) end
  end
end

-- Nearly always there is none: one look at their indexes saves four into the sets.
local function any_suspects()
  local indexes = {}
  for n, wish in ipairs(WISHES) do indexes[n] = P .. 'suspects:' .. wish end
  return call('EXISTS', unpack(indexes)) > 0
end

local function new_picked()
  return { uuids = {}, queue = {}, suspect = {}, sets = {} }
end

-- What this worker is given now, by its queues in order, then by place: a suspect alone, if it comes first, and only
-- to one that holds nothing.
local function choose(limit, holds_nothing)
  local picked, n = new_picked(), 0
  local careful = POLICY ~= 'freely' and holds_nothing and any_suspects()
  local classes = careful and { 'suspects:', CLASSES[1] } or CLASSES
  local queue = next_queue(0, nil, classes)
  while queue and #picked.uuids < limit do
    if careful and not picked.uuids[1] then
      pick(queue, classes, 1, picked)
      if picked.suspect[1] then break end
      picked = new_picked() -- another comes before it: that is picked with what follows
    end
    pick(queue, CLASSES, limit - #picked.uuids, picked)
    n = n + 1
    queue = #picked.uuids < limit and next_queue(n, queue, classes)
  end
  return picked
end
