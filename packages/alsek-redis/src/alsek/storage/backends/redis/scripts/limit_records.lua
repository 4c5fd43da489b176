-- What is known of limits. It looks at a thousand lines at most, so that nobody waits long for it.
-- From ARGV[2] on their ids, up to a thousand; none for all. Or ARGV[2] '', ARGV[3] an id, ARGV[4] how many of the lines there were
-- counted before
-- Returns: for each that is known {id, amount, per, how many messages have a place, how many starts are in the window, how
--   many messages wait in the lines that were looked at, the oldest of these starts (-1 for none), up to a hundred uuids that have
--   a place, how many lines were looked at, or -1 if these are all}. Or {how many messages wait in the next lines, the same number}
-- Needs: number
local left = 1000

-- Count the messages of lines that stand at a limit.
local function count(id, done)
  local set, waiting = P .. 'waiting:' .. id, 0
  local entries = left > 0 and try('ZRANGE', set, int(done), int(done + left - 1)) or {}
  for _, entry in ipairs(entries) do
    local line = string.match(entry, '^%d+\n(.*)$')
    waiting = waiting + (line and number(try('ZCARD', P .. 'line:' .. line)) or 1)
  end
  left, done = left - #entries, done + #entries
  return waiting, left == 0 and number(try('ZCARD', set)) > done and done or -1
end

if ARGV[2] == '' then return { count(ARGV[3], tonumber(ARGV[4])) } end
local answer = {}
for _, id in ipairs(ARGV[2] and { unpack(ARGV, 2) } or call('ZRANGE', P .. 'limits', 0, -1)) do
  local amount, per = string.match(call('GET', P .. 'limit:' .. id) or '', '^(%d+)/(%d+)$')
  if amount then
    local admitted, starts, from = P .. 'admitted:' .. id, P .. 'starts:' .. id, '(' .. int(NOW - tonumber(per))
    local taken = number(try('SCARD', admitted))
    local waiting, done = count(id, 0)
    local begun = per ~= '0' and number(try('ZCOUNT', starts, from, '+inf')) or 0
    local oldest = begun > 0 and call('ZRANGEBYSCORE', starts, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if taken + waiting + begun > 0 or done >= 0 then
      local shown = taken > 0 and call('SRANDMEMBER', admitted, 100) or {}
      answer[#answer + 1] = { id, amount, per, taken, begun, waiting, oldest and int(tonumber(oldest)) or '-1', shown, done }
    end
  end
end
return answer
