-- What a step notes on its way, done at its end by apply_effects() in few commands, and the waking of who sleeps.
-- *Everything* that makes a message ready goes through here.
-- Needs: wakeups
local BROKEN_PAUSE = 60000
local groups, group_list, records, counts = {}, {}, {}, {}
-- For the caller to hear of: queues (or indexes) that somebody overwrote, and records that can't be read (uuid, queue,
-- reason).
local broken, corrupt = {}, {}
-- Messages for which there is no place, since the delayed ones were overwritten too: only where nobody looked before.
local unplaced = {}

-- Leave one token on each list that a sleeper who may take it waits on, where there is none.
local function wake(wish, queue)
  local lists = token_lists(wish, queue)
  if call('EXISTS', unpack(lists)) == #lists then return end
  for _, list in ipairs(lists) do
    if call('EXISTS', list) == 0 then call('RPUSH', list, '1') end
  end
end

-- When the first delayed message is due, nil if none is delayed. What may delay something looks before its first write.
local first_due
local function read_first_due()
  first_due = tonumber(call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES')[2])
end

local function add_to_count(queue, change)
  counts[queue] = (counts[queue] or 0) + change
end

-- A set that some stranger overwrote must not hold up the other queues: what belongs there tries again later.
local function apply_effects()
  if records[1] then bulk('HSET', MESSAGES, records) end
  for queue, change in pairs(counts) do
    local left = change ~= 0 and call('HINCRBY', QUEUES, queue, int(change))
    if left and left <= 0 then
      call('HDEL', QUEUES, queue)
      call('DEL', P .. 'wake:thread:' .. queue, P .. 'wake:process:' .. queue)
    end
  end
  for _, group in ipairs(group_list) do
    local members, queue, set = group.members, group.queue, P .. group.name
    local done = try('ZADD', P .. group.index, '0', queue)
    for i = 1, type(done) == 'number' and #members or 0, 1000 do
      done = try('ZADD', set, unpack(members, i, math.min(i + 999, #members)))
    end
    if type(done) == 'number' then
      wake(group.wish, queue)
    else
      broken[queue] = done.err
      for i = 2, #members, 2 do
        local placed = call('ZADD', DELAYED, int(NOW + BROKEN_PAUSE), members[i] .. '\n' .. queue)
        if not placed then unplaced[#unplaced + 1] = { string.sub(members[i], 14), queue } end
      end
      try('ZREM', P .. group.index, queue)
    end
  end
  groups, group_list, records, counts = {}, {}, {}, {}
end
