-- Delayed messages that are due become ready, and schedules are offered.
-- Needs: enter first_due header leave_delayed unreadable_records
-- With keys: limit_dues
-- With schedules: due_schedules

-- In how many milliseconds something is due for this worker; -1 if nothing will be.
local function time_left()
  local schedules_due = read_first_due()
  local left = first_due and math.max(first_due - NOW, 0) or -1
  if not schedules_due then return left end
  local pause = rarely().with_schedules().pause_before_offers()
  return left < 0 and pause or math.min(left, pause)
end

-- At most a batch at a time. Each takes the arrival number of this moment; its ttl counts from when it was due, however late
-- this is. Answers as promote_if_due().
local function promote(dlq_ttl)
  local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(NOW), 'WITHSCORES', 'LIMIT', 0, @promotion_batch@)
  if not due[1] then return -1 end
  local members, uuids, queues, since, offered = {}, {}, {}, {}, nil
  for i = 1, #due, 2 do
    local n = #uuids + 1
    uuids[n], queues[n] = string.match(due[i], '^%d%d%d%d%d%d%d%d%d%d%d%d%d([^\n]+)\n(.+)$')
    if due[i] == 'schedules' then
      offered = rarely().with_schedules().offer_due_ones()
    else
      members[#members + 1], since[n] = due[i], tonumber(due[i + 1])
      if not uuids[n] then rarely().with_keys().come_due(due[i]) end
    end
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
  return time_left(), offered
end
