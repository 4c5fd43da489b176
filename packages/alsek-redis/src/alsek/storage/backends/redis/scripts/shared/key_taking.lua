-- Who takes a unique key, and who is refused.
-- Needs: counts dedup_window detach effects header lookup unique_key_record unique_keys
-- With groups: group_ends
-- With reports: report_ends

-- The header of a stored message that has this key; nil if there is none.
local function with_key(uuid, key)
  local h = uuid ~= '' and parse(call('HGET', MESSAGES, uuid) or '')
  return h and key_in(h.tail) == key and h or nil
end

-- The key that stands for a repetition of the request: it is accepted again, as the message `under` another uuid.
local function remember(uuid, request, under)
  local finished = P .. 'finished:' .. HALF
  call('HSET', finished, uuid, NOW % SPAN .. '|' .. request .. ';>' .. escaped_uuid(under) .. '|')
  call('PEXPIRE', finished, REMEMBERED)
end

-- So that what this call has stored before is found. What groups must know of has to wait, and so has who waits for a limit: who
-- is let in first is not known before the end of the call.
local function write_what_is_collected()
  local noted_for_groups, noted_at_limits = groups_noted, unsettled
  groups_noted, unsettled = false, nil
  apply_effects()
  groups_noted, unsettled = noted_for_groups, noted_at_limits
end

-- A new message takes its key; takes the place of a message that holds it, or waits for it; waits behind the holder; or is
-- refused. With the conflict 'm' (it comes from another store) it takes no place, and waits if nobody does. Answers the uuid of that holder as `refused_by`, or: the key for which it waits as `behind`, the uuid of the
-- message whose place it takes as `under`.
local function take_key(uuid, key, conflict, window, by)
  local state, h = read_key(key), nil
  if state and records[1] then write_what_is_collected() end
  for _ = 1, 2 do
    h = state and with_key(state.holder, key)
    if not state or not state.held or h then break end
    free_key(key, state) -- the holder is gone without an end
    state = read_key(key)
  end
  local bound, replayed = {}, by == @replayed@
  if not state or replayed and state.holder == uuid then
    state = { holder = uuid, follower = state and state.follower or '', held_until = state and state.held_until or 0 }
  elseif not state.held or not string.find(conflict, '[pm]') or replayed or not h then
    return { refused_by = state.holder }
  elseif conflict == 'm' then
    if with_key(state.follower, key) then return { refused_by = state.holder } end
    state.follower, bound.behind = uuid, key
    call('HSET', P .. 'followed', state.holder, key)
  else
    local under, place = state.holder, locate(state.holder, h)
    if place.state == 'claimed' or h.losses ~= '0' or string.find(h.tail, ';[ru]=') then
      bound.behind, under, h = key, state.follower, with_key(state.follower, key)
      place = h and locate(under, h)
      if not place or place.state ~= 'waiting' then under, state.follower, h = nil, uuid, nil end
    end
    if bound.behind then call('HSET', P .. 'followed', state.holder, key) end
    if h then
      detach(under, h, place)
      due_changed = true
      add_to_count(h.queue, -1)
      if string.find(h.tail, ';[gj]=') then
        groups_noted = true
        rarely().with_groups().note_group_end(under, 'removed', h.tail)
      end
      if string.find(h.tail, ';o=1', 1, true) then rarely().with_reports().delete_report(under) end
      if by then remember(uuid, by, under) end
      bound.under = under
    end
  end
  state.held, state.held_until = true, math.max(state.held_until, window > 0 and NOW + window or 0)
  write_key(key, state)
  return bound
end
