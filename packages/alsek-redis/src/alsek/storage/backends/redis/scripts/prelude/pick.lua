-- Choosing what a worker is given next, and taking it out of its ready set.

-- Up to `want` of what stands in these rooms of a queue, best (priority, arrival) first, as {uuid, is suspect}.
local function pick(queue, rooms, want, picked)
  local sets = {}
  for _, room in ipairs(rooms) do
    for _, wish in ipairs(WISHES) do
      local name = room .. wish .. ':' .. queue
      local list = redis.pcall('ZRANGE', P .. name, 0, want - 1, 'WITHSCORES')
      if list.err then
        broken[queue] = list.err
        call('ZREM', P .. room .. wish, queue)
      elseif list[1] then
        sets[#sets + 1] = { key = P .. name, index = P .. room .. wish, list = list, at = 1,
          suspect = room == 'suspects:' }
      end
    end
  end
  for _ = 1, want do
    local best
    for _, set in ipairs(sets) do
      local member = set.list[set.at]
      if member and #sets > 1 then
        set.score, set.arrival = tonumber(set.list[set.at + 1]), string.sub(member, 1, 13)
      end
      if member and (not best or set.score < best.score
          or (set.score == best.score and set.arrival < best.arrival)) then best = set end
    end
    if not best then break end
    picked[#picked + 1] = { string.sub(best.list[best.at], 14), best.suspect, queue }
    best.at = best.at + 2
  end
  for _, set in ipairs(sets) do
    if set.at > 1 then
      call('ZREMRANGEBYRANK', set.key, 0, (set.at - 1) / 2 - 1)
      if not set.list[set.at] and call('EXISTS', set.key) == 0 then call('ZREM', set.index, queue) end
    end
  end
end

-- What this worker is given now, by its queues in order, then by place.
local function choose(limit, holds_nothing)
  local picked, n = {}, 0
  local rooms = ROOMS
  if POLICY ~= 'freely' and holds_nothing then rooms = { 'ready:', 'suspects:' } end
  local queue = next_queue(0, nil, rooms)
  while queue and #picked < limit do
    if POLICY ~= 'freely' and holds_nothing and not picked[1] then
      pick(queue, { 'suspects:' }, 1, picked)
      if picked[1] then break end
    end
    pick(queue, ROOMS, limit - #picked, picked)
    n = n + 1
    queue = next_queue(n, queue, rooms)
  end
  return picked
end
