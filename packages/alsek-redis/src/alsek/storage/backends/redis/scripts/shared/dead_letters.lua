-- Writes dead letters; shared/dead_letter_lookup.lua describes their keys.
-- Needs: effects status

-- Forget what has expired; at most 500 a time, so that no step grows long.
local function remove_expired_letters(queue)
  local gone = call('ZRANGEBYSCORE', P .. 'fading:' .. queue, '-inf', int(NOW), 'LIMIT', 0, 500)
  if gone[1] then
    call('ZREM', P .. 'dead:' .. queue, unpack(gone))
    call('ZREM', P .. 'fading:' .. queue, unpack(gone))
    for _, uuid in ipairs(gone) do call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue) end
  end
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end

-- The same for a few queues that have dead letters, whichever they are.
local function remove_some_expired_letters(many)
  for _, queue in ipairs(call('SRANDMEMBER', P .. 'dead', many)) do remove_expired_letters(queue) end
end

-- ttl (text): '0' keeps nothing, '-1' for ever. The lists live as long as the longest-lived letter in them.
local function dead_letter(uuid, queue, payload, fault, ttl)
  if ttl ~= '0' then
    local order, expiries, queues = P .. 'dead:' .. queue, P .. 'fading:' .. queue, P .. 'dead'
    local letter = int(NOW) .. '|' .. #fault .. '|' .. fault .. payload
    set_for(P .. 'letters:' .. uuid .. '\n' .. queue, letter, ttl)
    local left, left_of_all = call('PTTL', expiries), call('PTTL', queues)
    call('ZADD', order, call('HINCRBY', COUNTERS, 'death', 1) or int(NOW), uuid)
    call('ZADD', expiries, ttl == '-1' and '+inf' or int(NOW + ttl), uuid)
    call('SADD', queues, queue)
    extend_index(order, left, ttl)
    extend_index(expiries, left, ttl)
    extend_index(queues, left_of_all, ttl)
    remove_expired_letters(queue)
    remove_some_expired_letters(2)
  end
  publish_result(uuid)
end

-- For who is to hear of foreign lists before the first write.
local function check_dead_letter_lists(queue)
  call('ZCARD', P .. 'dead:' .. queue)
  call('ZCARD', P .. 'fading:' .. queue)
  call('SCARD', P .. 'dead')
end

-- A record that can't be read: its bytes go to the dead letters, and the caller hears of it.
local function reject_unreadable(uuid, queue, record, dlq_ttl)
  local version = not string.find(record, @readable_versions@) and string.match(record, '^(%d+)|')
  local reason = version and @unreadable@
    or 'its header is damaged'
  call('HDEL', MESSAGES, uuid)
  add_to_count(queue, -1)
  local name = P .. 'statuses:' .. uuid
  if call('EXISTS', name) == 1 then
    call('SET', name, FAILED .. STAMP, 'KEEPTTL')
    try('PUBLISH', C .. 'statuses:' .. uuid, FAILED .. STAMP)
  end
  dead_letter(uuid, queue, record, cjson.encode({ name = 'CorruptMessageError', text = reason }):sub(1, -2) ..
    ',"traceback":null}', dlq_ttl)
  corrupt[#corrupt + 1] = uuid
  corrupt[#corrupt + 1] = queue
  corrupt[#corrupt + 1] = reason
end
