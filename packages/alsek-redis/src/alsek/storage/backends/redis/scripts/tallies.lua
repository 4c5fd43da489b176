-- How many messages some queues hold, by state.
-- From ARGV[2] on the queues, up to a thousand
-- Returns: for each {how many messages, how many of them are ready, claimed; how many dead letters; its pause, or ''}
-- Needs: number sets_of_queues
local queues, claimed, answer = { unpack(ARGV, 2) }, {}, {}
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  local held = try('HGETALL', P .. 'claims:' .. worker)
  for i = 2, #held, 2 do
    local _, _, _, queue = string.match(held[i], TO_FINISH)
    if queue then claimed[queue] = (claimed[queue] or 0) + 1 end
  end
end

local totals, sets, pauses = call('HMGET', QUEUES, unpack(queues)), sets_of_queues(queues, true)
local with_dead = try('SMISMEMBER', P .. 'dead', unpack(queues))
for i, queue in ipairs(queues) do
  local ready, dead = 0, 0
  for _, set in ipairs(sets[i]) do ready = ready + number(try('ZCARD', set)) end
  if with_dead[i] == 1 then dead = number(try('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf')) end
  answer[i] = { tonumber(totals[i] or 0) or 0, ready, claimed[queue] or 0, dead, pauses[i] or '' }
end
return answer
