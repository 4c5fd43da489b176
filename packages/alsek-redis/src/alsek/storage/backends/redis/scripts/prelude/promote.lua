-- Delayed messages that are due become ready, 500 at a time; each takes the arrival number of this moment.
-- Answers the milliseconds until the next one is due, -1 if none is delayed.
local function promote(dlq_ttl)
  local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(NOW), 'LIMIT', 0, 500)
  call('ZREMRANGEBYRANK', DELAYED, '0', int(#due - 1))
  local uuids, queues = {}, {}
  for n, member in ipairs(due) do
    uuids[n], queues[n] = string.match(member, '^%d%d%d%d%d%d%d%d%d%d%d%d%d([^\n]+)\n(.+)$')
  end
  local arrival = call('HINCRBY', COUNTERS, 'arrival', int(#due)) - #due
  for n, record in ipairs(call('HMGET', MESSAGES, unpack(uuids))) do
    local h = record and parse(record)
    if h then
      h.arrival = int(arrival + n)
      h.expiry = h.ttl == '0' and '0' or int(NOW + tonumber(h.ttl))
      write(uuids[n], format(h) .. string.sub(record, h.body))
      ready(h, uuids[n])
    elseif record then
      set_aside(uuids[n], queues[n], record, dlq_ttl)
    end
  end
  local head = call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES')
  return head[1] and math.max(tonumber(head[2]) - NOW, 0) or -1
end
