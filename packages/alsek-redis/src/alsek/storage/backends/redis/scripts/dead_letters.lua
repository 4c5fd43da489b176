-- One piece of the dead letters of a queue, oldest first.
-- ARGV[2] queue, ARGV[3] the number of the last one seen
-- Returns: {number of the last one here (nil at the end), uuid, bytes, …}
-- Needs: base fading
local queue = ARGV[2]
local page = call('ZRANGEBYSCORE', P .. 'dead:' .. queue, '(' .. ARGV[3], '+inf', 'WITHSCORES', 'LIMIT', 0, 100)
local answer = { page[#page] or false }
for i = 1, #page, 2 do
  local letter = lives(page[i], queue) and call('GET', P .. 'letters:' .. page[i] .. '\n' .. queue)
  if letter then
    answer[#answer + 1] = page[i]
    answer[#answer + 1] = letter
  end
end
return answer
