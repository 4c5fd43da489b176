-- Some messages of a queue that are in one state, without reading a backlog.
-- ARGV[2] queue, ARGV[3] state, ARGV[4] how many, ARGV[5] how many that are delayed or wait, of any queue, are looked at
-- Returns: flat: uuid, record, arrival
-- Needs: fetch header sets_of_queues
local queue, state, most, uuids, answer = ARGV[2], ARGV[3], tonumber(ARGV[4]), {}, {}

if state == 'ready' then
  for _, set in ipairs((sets_of_queues({ queue }, true))[1]) do
    for _, member in ipairs(try('ZRANGE', set, 0, int(most - 1))) do uuids[#uuids + 1] = string.sub(member, 14) end
  end
elseif state == 'delayed' then
  for _, member in ipairs(call('ZRANGE', DELAYED, 0, int(ARGV[5] - 1))) do
    local uuid, its_queue = string.match(member, '^%d%d%d%d%d%d%d%d%d%d%d%d%d([^\n]*)\n(.*)$')
    if its_queue == queue and #uuids < most then uuids[#uuids + 1] = uuid end
  end
elseif state == 'waiting' then
  local waits = try('HSCAN', P .. 'waits', '0', 'COUNT', ARGV[5])[2] or {}
  for i = 1, #waits, 2 do uuids[#uuids + 1] = waits[i] end
else
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    local held = try('HGETALL', P .. 'claims:' .. worker)
    for i = 1, #held, 2 do
      local _, _, _, _, its_queue = string.match(held[i + 1], TO_FINISH)
      if its_queue == queue and #uuids < most then uuids[#uuids + 1] = held[i] end
    end
  end
end
for n, record in ipairs(uuids[1] and fetch(MESSAGES, uuids) or {}) do
  local h = record and parse(record)
  if h and h.queue == queue then
    answer[#answer + 1] = uuids[n]
    answer[#answer + 1] = record
    answer[#answer + 1] = h.arrival
  end
end
return answer
