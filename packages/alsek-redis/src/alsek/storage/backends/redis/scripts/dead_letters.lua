-- One batch of the dead letters that a queue had when the first batch was read, oldest first.
-- ARGV[2] queue, ARGV[3] the death number of the last one read, ARGV[4] that of the last one to read ('' in the first batch)
-- Returns: {death number of the last one in this batch (nil at the end), that of the last one to read, uuid, bytes, …}
-- Needs: dead_letter_lookup
local queue, last = ARGV[2], ARGV[4]
if last == '' then last = call('ZRANGE', P .. 'dead:' .. queue, '-1', '-1', 'WITHSCORES')[2] end
if not last then return { false } end
local page = call('ZRANGEBYSCORE', P .. 'dead:' .. queue, '(' .. ARGV[3], last, 'WITHSCORES', 'LIMIT', 0, 100)
local answer = { #page == 200 and page[#page], last }
for i = 1, #page, 2 do
  local letter = letter_exists(page[i], queue) and call('GET', P .. 'letters:' .. page[i] .. '\n' .. queue)
  if letter then
    answer[#answer + 1] = page[i]
    answer[#answer + 1] = letter
  end
end
return answer
