-- Ends groups that do not join.
-- Needs: group_ends group_expiry groups unreachable

-- A group is no longer open.
local function close_group(group, state)
  group.state = state
  call('HSET', P .. 'group:' .. group.id, 'state', state)
  try('PUBLISH', C .. 'groups:' .. group.id, '')
end

-- End a group that has not joined: `letter`, `uuid` and `payload` are its end in its parent, `because_of` is noted.
local function stop_group(group, state, letter, uuid, payload)
  close_group(group, state)
  note_unreachable(call('HGET', P .. 'group:' .. group.id, 'unreachable') or '', uuid)
  end_place(group.parent, letter, uuid, payload)
  end_group(group)
end

-- Revoke a group if it is open.
local function revoke_group(id)
  local group = group_of(id)
  if group and group.state == 'open' then stop_group(group, 'revoked', 'r', id, '') end
end
