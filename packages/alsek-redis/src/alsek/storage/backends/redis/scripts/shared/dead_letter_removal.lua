-- Deletes single dead letters; shared/dead_letter_lookup.lua describes their keys.

local function delete_letter(uuid, queue)
  call('ZREM', P .. 'dead:' .. queue, uuid)
  call('ZREM', P .. 'fading:' .. queue, uuid)
  call('DEL', P .. 'letters:' .. uuid .. '\n' .. queue)
  if call('EXISTS', P .. 'dead:' .. queue) == 0 then call('SREM', P .. 'dead', queue) end
end
