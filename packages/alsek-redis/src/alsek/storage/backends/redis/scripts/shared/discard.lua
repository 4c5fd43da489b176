-- Deleting a dead letter; what it is is told in shared/fading.lua.

local function discard(uuid, queue)
  call('ZREM', P .. 'dead:' .. queue, uuid)
  call('ZREM', P .. 'fading:' .. queue, uuid)
  call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue)
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end
