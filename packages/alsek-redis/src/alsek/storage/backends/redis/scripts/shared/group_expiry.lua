-- How long groups are kept: as long as something follows of them, or of their parents, and then for their ttl.
-- Needs: groups

-- What a group is kept in.
local function keys_of_group(id)
  return { P .. 'group:' .. id, P .. 'members:' .. id, P .. 'nested:' .. id }
end

-- Let a group expire that has ended, and the groups in it that have; not yet if its parent is kept. None expires before
-- its parent.
local function release_group(id)
  local found, n = { id }, 1
  while found[n] do
    local group = group_of(found[n])
    if group and group.ended and group.ttl ~= '-1' then
      local left = group.parent ~= '' and call('PTTL', P .. 'group:' .. string.match(group.parent, PLACE)) or -2
      if left ~= -1 then
        local keys = keys_of_group(group.id)
        for _, key in ipairs(keys) do call('PEXPIRE', key, int(math.max(left, tonumber(group.ttl), 1))) end
        for _, nested in ipairs(call('SMEMBERS', keys[3])) do found[#found + 1] = nested end
      end
    end
    n = n + 1
  end
end

-- Nothing more follows of a group.
local function end_group(group)
  group.ended = true
  call('HSET', P .. 'group:' .. group.id, 'ended', '1')
  release_group(group.id)
end

-- Keep a group, and those in it, because its callback is submitted again.
local function hold_group(id)
  if not group_of(id) then return end
  call('HDEL', P .. 'group:' .. id, 'ended')
  local found, n = { id }, 1
  while found[n] do
    local keys = keys_of_group(found[n])
    for _, key in ipairs(keys) do call('PERSIST', key) end
    for _, nested in ipairs(call('SMEMBERS', keys[3])) do found[#found + 1] = nested end
    n = n + 1
  end
end

-- `key` was written for a group that expires: it expires with it.
local function expire_with_group(id, key)
  local left = call('PTTL', P .. 'group:' .. id)
  if left and left >= 0 then call('PEXPIRE', key, int(math.max(left, 1))) end
end
