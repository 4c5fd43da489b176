-- Limits: how many messages with a key may run at once (id c:<key>), or start within a time (r:<key>). Of each id:
-- limit:<id> is its numbers, amount/per; admitted:<id> a set of the uuids that take up a place; starts:<id> of a rate the
-- tokens of its claims, by time. `limits` has all ids, by when they may be forgotten.
-- Needs: bulk effects number tail_text
local known_limits, touched = {}, {}

-- What is noted of a limit in this call. settle() looks at each that is.
local function noted(id)
  local limit = known_limits[id]
  if not limit then
    limit = { id = id, new = {}, gone = {}, begun = {} }
    known_limits[id], touched[#touched + 1], unsettled = limit, limit, true
  end
  return limit
end

-- The limits in the tail of a header, in the order of their ids.
local function limits_in(tail)
  local found = {}
  for kind, amount, per, key in string.gmatch(string.match(tail, ';l=([^;]*)') or '', '([cr])(%d+)/?(%d*):([^,]*)') do
    found[#found + 1] = { id = kind .. ':' .. key_of(key), amount = tonumber(amount), per = tonumber(per) or 0 }
  end
  return found
end

local function write_places(limit)
  local admitted, starts = P .. 'admitted:' .. limit.id, P .. 'starts:' .. limit.id
  bulk('SADD', admitted, limit.new)
  bulk('SREM', admitted, limit.gone)
  if limit.begun[1] then
    bulk('ZADD', starts, limit.begun)
    call('PEXPIRE', starts, int(limit.per))
  end
  limit.new, limit.gone, limit.begun = {}, {}, {}
end

local function count(limit)
  local id = limit.id
  limit.taken, limit.starts = number(call('SCARD', P .. 'admitted:' .. id)), 0
  limit.waiting = number(call('ZCARD', P .. 'waiting:' .. id))
  if limit.per > 0 then
    call('ZREMRANGEBYSCORE', P .. 'starts:' .. id, '-inf', int(NOW - limit.per))
    limit.starts = number(call('ZCARD', P .. 'starts:' .. id))
  end
end

-- A limit with how many messages it has admitted, wait for it, and (of a rate) have started. `own` are the numbers that
-- hold if it is not known.
local function counted(id, own)
  local limit = noted(id)
  if limit.taken and not limit.gone[1] and not limit.begun[1] then return limit end
  if not limit.taken then
    local amount, per = string.match(call('GET', P .. 'limit:' .. id) or '', '^(%d+)/(%d+)$')
    limit.amount, limit.per, limit.stored = tonumber(amount), tonumber(per) or 0, amount
    own = own or limit.own
    if not amount and own then limit.amount, limit.per = own.amount, own.per end
  end
  write_places(limit)
  count(limit)
  return limit
end

local function has_room(limit)
  return not limit.amount or limit.taken + limit.starts < limit.amount
end
