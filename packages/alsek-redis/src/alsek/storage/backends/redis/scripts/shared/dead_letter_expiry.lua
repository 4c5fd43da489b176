-- Deletes expired dead letters from the lists of their queues. The letters themselves expire by themselves.

-- Of one queue, at most 500 at a time, so that no step takes long.
local function remove_expired_letters(queue)
  local expired = call('ZRANGEBYSCORE', P .. 'fading:' .. queue, '-inf', int(NOW), 'LIMIT', 0, 500)
  if expired[1] then
    call('ZREM', P .. 'dead:' .. queue, unpack(expired))
    call('ZREM', P .. 'fading:' .. queue, unpack(expired))
    for _, uuid in ipairs(expired) do call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue) end
  end
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end

-- Of a few queues with dead letters, chosen at random.
local function remove_some_expired_letters(many)
  for _, queue in ipairs(call('SRANDMEMBER', P .. 'dead', many)) do remove_expired_letters(queue) end
end
