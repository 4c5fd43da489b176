-- Collects the writes of a step; apply_effects() does them at its end in few commands.
-- Needs: bulk counts wakeups
-- With groups: group_settling
-- With keys: settling
local BROKEN_PAUSE = 60000
local groups, group_list, records = {}, {}, {}
-- For the answer of a step: ready sets and indexes that are overwritten (queue or key -> error), and unreadable records
-- (uuid, queue, reason).
local broken, corrupt = {}, {}
-- Messages (uuid, queue) that could be stored neither in their ready set nor among the delayed messages, because both are
-- overwritten. Empty if the caller read DELAYED before its first write.
local unplaced = {}
-- How many messages were set aside in this call; nil for none.
local entered_aside
-- Whether something has changed at a limit or a unique key (nil if not); whether that has changed what is due.
local unsettled, due_changed

-- Write records, counts and ready sets, and wake workers for each ready set that something was added to. A ready set that
-- is overwritten does not stop the others: its messages are delayed and tried again later.
local function apply_effects()
  if groups_noted then rarely().with_groups().settle_groups() end
  if records[1] then bulk('HSET', MESSAGES, records) end
  if unsettled then rarely().with_keys().settle() end
  if not (records[1] or group_list[1] or next(counts)) then return end
  write_counts()
  for _, group in ipairs(group_list) do
    local members, queue, set = group.members, group.queue, P .. group.name
    local done = try('ZADD', P .. group.index, '0', queue)
    for i = 1, type(done) == 'number' and #members or 0, 1000 do
      done = try('ZADD', set, unpack(members, i, math.min(i + 999, #members)))
    end
    if type(done) == 'number' then
      wake(token_lists(group.wish, queue))
    else
      broken[queue] = done.err
      for i = 2, #members, 2 do
        local placed = call('ZADD', DELAYED, int(NOW + BROKEN_PAUSE), members[i] .. '\n' .. queue)
        if not placed then unplaced[#unplaced + 1] = { string.sub(members[i], 14), queue } end
      end
      try('ZREM', P .. group.index, queue)
    end
  end
  groups, group_list, records = {}, {}, {}
end
