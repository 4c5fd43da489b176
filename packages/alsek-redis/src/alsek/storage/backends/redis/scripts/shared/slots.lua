-- Claims by kind of slot: a worker may have room for some messages of one kind, and for others of another.
-- ARGV[AFTER_QUEUES + 1] is its limit (-1 less it if the step tells of sleep), or its limits: of its threads (or processes),
-- '/', of coroutines; and, if counts as in shared/history_counts.lua follow, a blank and their number
-- Needs: choice effects ready_set_order ready_sets
local SLOTS, limits = @wishes_by_slot@

-- Leave those wishes in WISHES for which there is room, after so many messages of each kind.
local function leave_wishes_with_room(used)
  WISHES = {}
  for slot, wishes in ipairs(SLOTS) do
    if used[slot] < limits[slot] then WISHES = joined(WISHES, wishes) end
  end
end

-- As pick(), no more of a kind than there is room for. Once a kind has none left, its sets and queues are not looked at.
local function pick_by_slot(queue, classes, want, picked)
  local uuids, used, sets = picked.uuids, picked.used or { 0, 0 }, {}
  picked.used = used
  for slot, wishes in ipairs(SLOTS) do
    local last = math.min(want, limits[slot] - used[slot]) - 1
    for _, class in ipairs(last >= 0 and classes or {}) do
      for _, wish in ipairs(wishes) do
        local index = P .. class .. wish
        local key, suspect = index .. ':' .. queue, string.byte(class) == 115
        local list = try('ZRANGE', key, '0', int(last), 'WITHSCORES')
        if list.err then
          broken[queue] = list.err
          call('ZREM', index, queue)
        elseif list[1] then
          sets[#sets + 1] = { key = key, index = index, queue = queue, list = list, at = 1, suspect = suspect, slot = slot }
        end
      end
    end
  end
  local open = sets
  for _ = 1, want do
    local set = open[2] and best_set(open) or open[1]
    local member = set and set.list[set.at]
    if not member then break end
    set.at = set.at + 2
    uuids[#uuids + 1] = string.sub(member, 14)
    picked.queue[#uuids], picked.suspect[#uuids] = queue, set.suspect
    used[set.slot] = used[set.slot] + 1
    if used[set.slot] == limits[set.slot] then
      open = {}
      for _, other in ipairs(sets) do
        if other.slot ~= set.slot then open[#open + 1] = other end
      end
    end
  end
  for _, set in ipairs(sets) do
    if set.at > 1 then picked.sets[#picked.sets + 1] = set end
  end
  leave_wishes_with_room(used)
end

-- For which kinds of slots messages are left, as bits; `any_left` is any_waiting() or any_open().
local function left_by_slot(classes, wake_workers, any_left)
  local bits = 0
  for slot, wishes in ipairs(SLOTS) do
    WISHES = wishes
    if any_left(classes, wake_workers) then bits = bits + slot end
  end
  WISHES = joined(SLOTS[1], SLOTS[2])
  return bits
end

-- The limits' sum, as above, where the outcomes begin, and left_by_slot() if there are two: then choose() heeds both from here on.
local function read_limits()
  local first, second, many = string.match(ARGV[AFTER_QUEUES + 1], '^(%-?%d+)/?(%d*) ?(%d*)$')
  local tells = tonumber(first) < 0
  first = tells and -1 - first or first + 0
  if second ~= '' then
    limits = { first, tonumber(second) }
    if limits[1] > 0 and limits[2] > 0 then pick = pick_by_slot end
    leave_wishes_with_room({ 0, 0 })
  end
  local sum = first + (tonumber(second) or 0)
  return tells and -1 - sum or sum, AFTER_QUEUES + 2 + 3 * (tonumber(many) or 0), second ~= '' and left_by_slot
end
