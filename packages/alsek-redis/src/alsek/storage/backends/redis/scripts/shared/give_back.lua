-- Messages that go back to where they came from, and workers that are no more.
-- Needs: dead_letters enqueue header status

-- At its old place, `losses` more; `code` is the status written. The time in its holder's hands does not count
-- to its ttl, which begins anew, unless it had run out before. Without its record nothing is left to give back.
local function give_back(uuid, h, flags, losses, code, dlq_ttl)
  local renewed = h.ttl ~= '0' and flags < 2
  if losses > 0 or renewed then
    local record = call('HGET', MESSAGES, uuid)
    if not record then return end
    local body = (parse(record) or {}).body
    if not body then return reject_unreadable(uuid, h.queue, record, dlq_ttl) end
    h.losses = int(h.losses + losses)
    if renewed then h.expiry = int(NOW + h.ttl) end
    write_record(uuid, format(h) .. string.sub(record, body))
  end
  enter_ready(h, uuid, flags % 2 == 1)
  write_status(uuid, code, h.status_ttl)
end

-- All that a worker holds, and its name; how many messages it held.
local function forget_worker(worker, losses, code, dlq_ttl)
  local held, messages = call('HGETALL', P .. 'claims:' .. worker), 0
  for i = 1, #held, 2 do
    if held[i] ~= '' then
      local _, _, flags, h = parse_claim(held[i + 1])
      if h then
        messages = messages + 1
        give_back(held[i], h, flags, losses, code, dlq_ttl)
      end
    end
  end
  call('DEL', P .. 'claims:' .. worker, P .. 'calls:' .. worker)
  call('ZREM', WORKERS, worker)
  call('HDEL', P .. 'leases', worker)
  return messages
end
