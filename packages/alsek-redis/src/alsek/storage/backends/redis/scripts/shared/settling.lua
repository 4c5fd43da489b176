-- What follows at limits and unique keys from all that has changed in a call.
-- Needs: admission effects limit_dues limits ttl unique_keys waiting
local left_to_look_at = @promotion_batch@

-- A place whose message is gone, because another program or an older version has removed it, is found here some time.
local function free_place_of_one_gone(limit)
  local uuid = call('SRANDMEMBER', P .. 'admitted:' .. limit.id)
  if type(uuid) == 'string' and call('HEXISTS', MESSAGES, uuid) == 0 then
    limit.gone[1] = uuid
    counted(limit.id)
  end
end

-- Keep what must be known of a limit. Answers whether the list of all limits has changed.
local function keep(limit)
  local id, is_used, last = limit.id, limit.taken + limit.waiting > 0, nil
  if not is_used and limit.starts == 0 then
    call('DEL', P .. 'limit:' .. id)
    return call('ZREM', P .. 'limits', id) == 1
  end
  if not limit.amount or limit.per == 0 and limit.stored then return false end
  if not is_used then last = call('ZRANGE', P .. 'starts:' .. id, '-1', '-1', 'WITHSCORES')[2] end
  last = last and last + limit.per
  set_for(P .. 'limit:' .. id, int(limit.amount) .. '/' .. int(limit.per), last and int(last - NOW) or '-1')
  call('ZADD', P .. 'limits', last and int(last) or '+inf', id)
  return true
end

-- The list of all limits lives as long as one that is in it.
local function trim_list()
  local index = P .. 'limits'
  call('ZREMRANGEBYSCORE', index, '-inf', int(NOW))
  local last = call('ZRANGE', index, '-1', '-1', 'WITHSCORES')[2]
  if last == 'inf' then call('PERSIST', index) elseif last then call('PEXPIRE', index, int(last - NOW)) end
end

-- Let in the first message that waits for a limit, if it has room. Answers whether it had a turn.
local function takes_turn(limit)
  if limit.waiting == 0 or left_to_look_at == 0 or not has_room(limit) then return false end
  admit_first(limit)
  left_to_look_at = left_to_look_at - 1
  return true
end

-- Let in what can be let in: the limits take turns in the order of their ids. At most a batch is looked at; what is left is
-- due at once.
local function settle()
  enter_heirs()
  table.sort(touched, function(a, b) return a.id < b.id end)
  local turns, n, relisted = {}, 1, false
  while touched[n] do
    local limit = counted(touched[n].id)
    if limit.waiting > 0 and not has_room(limit) then free_place_of_one_gone(limit) end
    if takes_turn(limit) then turns[#turns + 1] = limit end
    n = n + 1
  end
  while turns[1] do
    local again = {}
    for _, limit in ipairs(turns) do
      if takes_turn(limit) then again[#again + 1] = limit end
    end
    turns = again
  end
  for _, limit in ipairs(touched) do
    write_places(limit)
    set_next_look(limit)
    relisted = keep(limit) or relisted
  end
  if relisted then trim_list() end
  write_waiting_counts()
  known_limits, touched, unsettled = {}, {}, nil
end
