-- Workers that retire, or whose lease has ended.
-- Needs: claim_header give_back

-- Give back all that a worker holds, and delete the worker. Answers how many messages it held.
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
