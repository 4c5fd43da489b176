-- How many messages some queues hold, by state.
-- From ARGV[2] on the queues, up to a thousand
-- Returns: for each {how many messages, how many of them are ready, claimed; how many dead letters; its pause, or ''; how many wait}
-- Needs: number sets_of_queues
local queues, answer = { unpack(ARGV, 2) }, {}

local claimed
-- The claims of all workers are read only if a queue has messages that are not ready: most of many queues have none.
local function claimed_of(queue)
  if not claimed then
    claimed = {}
    for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
      local held = try('HGETALL', P .. 'claims:' .. worker)
      for i = 2, #held, 2 do
        local _, _, _, _, its_queue = string.match(held[i], TO_FINISH)
        if its_queue then claimed[its_queue] = (claimed[its_queue] or 0) + 1 end
      end
    end
  end
  return claimed[queue] or 0
end

local totals, sets, pauses = call('HMGET', QUEUES, unpack(queues)), sets_of_queues(queues, true)
local waiting = try('HMGET', P .. 'waiting', unpack(queues))
local with_dead = try('SMISMEMBER', P .. 'dead', unpack(queues))
for i, queue in ipairs(queues) do
  local ready, dead = 0, 0
  for _, set in ipairs(sets[i]) do ready = ready + number(try('ZCARD', set)) end
  if with_dead[i] == 1 then dead = number(try('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf')) end
  local total = tonumber(totals[i] or 0) or 0
  local waits = tonumber(waiting[i] or 0) or 0
  answer[i] = { total, ready, total ~= ready + waits and claimed_of(queue) or 0, dead, pauses[i] or '', waits }
end
return answer
