-- Dead letters: letters:<uuid>\n<queue> is died_at|length of the error|error, then the payload, and expires
-- by itself; dead:<queue> has their order, fading:<queue> their expiries.

-- Forget what has expired; at most 500 a time, so that no step grows long.
local function trim(queue)
  local gone = call('ZRANGEBYSCORE', P .. 'fading:' .. queue, '-inf', int(NOW), 'LIMIT', 0, 500)
  if gone[1] then
    call('ZREM', P .. 'dead:' .. queue, unpack(gone))
    call('ZREM', P .. 'fading:' .. queue, unpack(gone))
    for _, uuid in ipairs(gone) do call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue) end
  end
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end

-- ttl (text): '0' keeps nothing, '-1' for ever.
local function bury(uuid, queue, payload, fault, ttl)
  if ttl ~= '0' then
    local letter = int(NOW) .. '|' .. #fault .. '|' .. fault .. payload
    keep(P .. 'letters:' .. uuid .. '\n' .. queue, letter, ttl)
    call('ZADD', P .. 'dead:' .. queue, call('HINCRBY', COUNTERS, 'death', 1), uuid)
    call('ZADD', P .. 'fading:' .. queue, ttl == '-1' and '+inf' or int(NOW + ttl), uuid)
    call('SADD', P .. 'dead', queue)
    trim(queue)
  end
  tell_result(uuid)
end

local function lives(uuid, queue)
  local expiry = call('ZSCORE', P .. 'fading:' .. queue, uuid)
  return expiry and (expiry == 'inf' or tonumber(expiry) > NOW)
end

local function discard(uuid, queue)
  call('ZREM', P .. 'dead:' .. queue, uuid)
  call('ZREM', P .. 'fading:' .. queue, uuid)
  call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue)
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end

-- A record that can't be read: its bytes go to the dead letters, and the caller hears of it.
local function set_aside(uuid, queue, record, dlq_ttl)
  local version = string.match(record, '^(%d+)|')
  local reason = version and version ~= '1' and 'record version ' .. version .. ': this version of Alsek reads 1'
    or 'its header is damaged'
  call('HDEL', MESSAGES, uuid)
  tally(queue, -1)
  local name = P .. 'statuses:' .. uuid
  if call('EXISTS', name) == 1 then
    call('SET', name, FAILED .. STAMP, 'KEEPTTL')
    call('PUBLISH', name, FAILED .. STAMP)
  end
  bury(uuid, queue, record, cjson.encode({ name = 'CorruptMessageError', text = reason }):sub(1, -2) ..
    ',"traceback":null}', dlq_ttl)
  corrupt[#corrupt + 1] = uuid
  corrupt[#corrupt + 1] = queue
  corrupt[#corrupt + 1] = reason
end
