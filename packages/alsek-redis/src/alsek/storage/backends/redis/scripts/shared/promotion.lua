-- Delayed messages that are due become ready.
-- Needs: enter header leave_delayed unreadable_records
-- With keys: limit_dues

-- At most a batch at a time. Each takes the arrival number of this moment; its ttl counts from when it was due, however late
-- this is. Answers the milliseconds until the next one is due, -1 if none is delayed.
local function promote(dlq_ttl)
  local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(NOW), 'WITHSCORES', 'LIMIT', 0, @promotion_batch@)
  if not due[1] then return -1 end
  local members, uuids, queues, since = {}, {}, {}, {}
  for i = 1, #due, 2 do
    local n = #uuids + 1
    uuids[n], queues[n] = string.match(due[i], '^%d%d%d%d%d%d%d%d%d%d%d%d%d([^\n]+)\n(.+)$')
    members[#members + 1], since[n] = due[i], tonumber(due[i + 1])
    if not uuids[n] then rarely().with_keys().come_due(due[i]) end
  end
  leave_delayed(members)
  local arrival = call('HINCRBY', COUNTERS, 'arrival', int(#uuids))
  for n, record in ipairs(uuids[1] and call('HMGET', MESSAGES, unpack(uuids)) or {}) do
    local h = record and parse(record)
    if h then
      if arrival then h.arrival = int(arrival - #uuids + n) end
      h.expiry = h.ttl == '0' and '0' or int(since[n] + h.ttl)
      write_record(uuids[n], format(h) .. string.sub(record, h.body))
      enter_ready(h, uuids[n])
    elseif record then
      reject_unreadable(uuids[n], queues[n], record, dlq_ttl)
    end
  end
  local head = call('ZRANGE', DELAYED, '0', '0', 'WITHSCORES')
  return head[1] and math.max(tonumber(head[2]) - NOW, 0) or -1
end
