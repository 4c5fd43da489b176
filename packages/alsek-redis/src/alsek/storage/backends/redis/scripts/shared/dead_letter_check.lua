-- Dead letters: finds overwritten lists before the first write.

-- Raises an error if a key of another type is in the place of one of the lists of this queue.
local function check_dead_letter_lists(queue)
  call('ZCARD', P .. 'dead:' .. queue)
  call('ZCARD', P .. 'fading:' .. queue)
  call('SCARD', P .. 'dead')
end
