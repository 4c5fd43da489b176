-- Counts the members of groups that have ended, and does what follows.
-- Needs: bulk fetch group_ends group_expiry group_joins groups
local COUNTED = { s = 'succeeded', g = 'succeeded', f = 'failed', r = 'revoked' }

-- Write how members of this group ended that have not ended before, in the order of `ends`, and decide what follows.
local function write_members(group, ends, numbers)
  local key, written, seen, decision = P .. 'members:' .. group.id, {}, {}, nil
  local there = fetch(key, numbers)
  for n, ended_place in ipairs(ends) do
    local number, _, letter, uuid, payload = numbers[n], unpack(ended_place)
    if not there[n] and not seen[number] then
      seen[number] = true
      group[COUNTED[letter]] = group[COUNTED[letter]] + 1
      local text, at = letter .. uuid .. '\n' .. payload, ended_place.at
      written[#written + 1], written[#written + 2] = number, text
      if group.stop and (letter == 'f' or letter == 'r') then
        decision = decision or { at = at, group = group, failure = number .. '|' .. text, uuid = uuid, payload = payload }
      elseif group.succeeded + group.failed + group.revoked >= group.total then
        decision = decision or { at = at, group = group }
      end
    end
  end
  if not written[1] then return end
  bulk('HSET', key, written)
  call('HSET', P .. 'group:' .. group.id, 'succeeded', int(group.succeeded), 'failed', int(group.failed), 'revoked',
    int(group.revoked))
  if group.state == 'open' then decided[#decided + 1] = decision else expire_with_group(group.id, key) end
end

-- Write all that have ended now, each group once. What follows is decided in the order of the ends.
local function count_ends()
  local order, ends_of, numbers_of = {}, {}, {}
  for at, ended_place in ipairs(ended_places) do
    local id, number = string.match(ended_place[1], PLACE)
    if id and group_of(id) and tonumber(number) < group_of(id).total then
      if not ends_of[id] then order[#order + 1], ends_of[id], numbers_of[id] = id, {}, {} end
      ended_place.at = at
      ends_of[id][#ends_of[id] + 1] = ended_place
      numbers_of[id][#numbers_of[id] + 1] = number
    end
  end
  ended_places, ended_well = {}, {}
  for _, id in ipairs(order) do write_members(group_of(id), ends_of[id], numbers_of[id]) end
  table.sort(decided, function(a, b) return a.at < b.at end)
end

-- Count what has ended in this call, and do what follows. One end may lead to another.
local function settle_groups()
  while ended_places[1] or decided[1] do
    count_ends()
    follow_decisions()
  end
  for _, id in ipairs(ended_callbacks) do
    local group = group_of(id)
    if group and group.state ~= 'open' then end_group(group) end
  end
  ended_callbacks = {}
end
