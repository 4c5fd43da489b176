-- Counts the members of groups that have ended, and does what follows.
-- Needs: bulk fetch group_closing group_ends group_expiry group_joins groups
local COUNTED = { s = 'succeeded', g = 'succeeded', f = 'failed', r = 'revoked' }

-- Write how members ended that have not ended before, in the order of `ends`; all are of this group.
local function write_members(group, ends, numbers)
  local key, written, first_bad = P .. 'members:' .. group.id, {}, nil
  local there = fetch(key, numbers)
  local was_open, seen = group.state == 'open', {}
  for n, ended_place in ipairs(ends) do
    local number, _, letter, uuid, payload = numbers[n], unpack(ended_place)
    if not there[n] and not seen[number] then
      seen[number] = true
      group[COUNTED[letter]] = group[COUNTED[letter]] + 1
      local text = letter .. uuid .. '\n' .. payload
      written[#written + 1], written[#written + 2] = number, text
      if (letter == 'f' or letter == 'r') and not first_bad then first_bad = { number .. '|' .. text, uuid, payload } end
    end
  end
  if not written[1] then return end
  bulk('HSET', key, written)
  call('HSET', P .. 'group:' .. group.id, 'succeeded', int(group.succeeded), 'failed', int(group.failed), 'revoked',
    int(group.revoked))
  if not was_open then return expire_with_group(group.id, key) end
  if group.stop and first_bad then
    call('HSET', P .. 'group:' .. group.id, 'failure', first_bad[1])
    stop_group(group, 'failed', 'f', first_bad[2], first_bad[3])
  elseif group.succeeded + group.failed + group.revoked >= group.total then
    complete_groups[#complete_groups + 1] = group
  end
end

-- Write all that have ended now, each group once.
local function count_ends()
  local order, ends_of, numbers_of = {}, {}, {}
  for _, ended_place in ipairs(ended_places) do
    local id, number = string.match(ended_place[1], PLACE)
    if id and group_of(id) and tonumber(number) < group_of(id).total then
      if not ends_of[id] then order[#order + 1], ends_of[id], numbers_of[id] = id, {}, {} end
      ends_of[id][#ends_of[id] + 1] = ended_place
      numbers_of[id][#numbers_of[id] + 1] = number
    end
  end
  ended_places, ended_well = {}, {}
  for _, id in ipairs(order) do write_members(group_of(id), ends_of[id], numbers_of[id]) end
end

-- Count what has ended in this call, and do what follows. One end may lead to another.
local function settle_groups()
  while ended_places[1] or complete_groups[1] do
    count_ends()
    join_groups()
  end
  for _, id in ipairs(ended_callbacks) do
    local group = group_of(id)
    if group and group.state ~= 'open' then end_group(group) end
  end
  ended_callbacks = {}
end
