-- How many messages some queues hold, by state.
-- From ARGV[2] on the queues
-- Returns: for each {how many messages, how many of them are ready, claimed; how many dead letters; its pause, or ''}
-- Needs: ready_classes
local claimed, answer = {}, {}
for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
  local held = try('HGETALL', P .. 'claims:' .. worker)
  for i = 2, #held, 2 do
    local _, _, _, queue = string.match(held[i], TO_FINISH)
    if queue then claimed[queue] = (claimed[queue] or 0) + 1 end
  end
end

local function size(command, ...)
  local many = try(command, ...)
  return type(many) == 'number' and many or 0
end

for i = 2, #ARGV do
  local queue, ready = ARGV[i], 0
  for n = 1, math.huge do
    local class = class_number(n)
    if not class then break end
    for _, wish in ipairs(ALL_WISHES) do ready = ready + size('ZCARD', P .. class .. wish .. ':' .. queue) end
  end
  local total = tonumber(call('HGET', QUEUES, queue) or 0) or 0
  local dead = size('ZCOUNT', P .. 'fading:' .. queue, '(' .. int(NOW), '+inf')
  answer[i - 1] = { total, ready, claimed[queue] or 0, dead, call('HGET', P .. 'paused', queue) or '' }
end
return answer
