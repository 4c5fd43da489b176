-- What is known of limits.
-- From ARGV[2] on their ids, up to a thousand; none for all
-- Returns: for each that is known {id, amount, per, how many messages have a place, how many starts are in the window, how
--   many messages wait, the oldest of these starts (-1 for none), up to a hundred uuids that have a place}
-- Needs: number
local answer = {}
for _, id in ipairs(ARGV[2] and { unpack(ARGV, 2) } or call('ZRANGE', P .. 'limits', 0, -1)) do
  local amount, per = string.match(call('GET', P .. 'limit:' .. id) or '', '^(%d+)/(%d+)$')
  if amount then
    local admitted, starts, from = P .. 'admitted:' .. id, P .. 'starts:' .. id, '(' .. int(NOW - tonumber(per))
    local taken, waiting = number(try('SCARD', admitted)), 0
    for _, entry in ipairs(try('ZRANGE', P .. 'waiting:' .. id, 0, -1)) do
      local line = string.match(entry, '^%d+\n(.*)$')
      waiting = waiting + (line and number(try('ZCARD', P .. 'line:' .. line)) or 1)
    end
    local begun = per ~= '0' and number(try('ZCOUNT', starts, from, '+inf')) or 0
    local oldest = begun > 0 and call('ZRANGEBYSCORE', starts, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    if taken + waiting + begun > 0 then
      local shown = taken > 0 and call('SRANDMEMBER', admitted, 100) or {}
      answer[#answer + 1] = { id, amount, per, taken, begun, waiting, oldest and int(tonumber(oldest)) or '-1', shown }
    end
  end
end
return answer
