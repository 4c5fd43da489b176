-- One piece of the dead letters that a queue had when its walk began, oldest first.
-- ARGV[2] queue, ARGV[3] the number of the last one seen, ARGV[4] that of the last one to see ('' in the first piece)
-- Returns: {number of the last one here (nil at the end), number of the last one to see, uuid, bytes, …}
-- Needs: dead_letter_lookup
local queue, last = ARGV[2], ARGV[4]
if last == '' then last = call('ZRANGE', P .. 'dead:' .. queue, '-1', '-1', 'WITHSCORES')[2] end
if not last then return { false } end
local page = call('ZRANGEBYSCORE', P .. 'dead:' .. queue, '(' .. ARGV[3], last, 'WITHSCORES', 'LIMIT', 0, 100)
local answer = { page[#page] or false, last }
for i = 1, #page, 2 do
  local letter = letter_exists(page[i], queue) and call('GET', P .. 'letters:' .. page[i] .. '\n' .. queue)
  if letter then
    answer[#answer + 1] = page[i]
    answer[#answer + 1] = letter
  end
end
return answer
