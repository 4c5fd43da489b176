-- Workers that retire, or whose lease has ended.
-- Needs: claim_header give_back index_ttl sleepers

-- The tasks of a worker that is deleted count as known for another lease, because it may be replaced.
local function remember_tasks(worker)
  local names, gone = call('SMEMBERS', P .. 'tasks:' .. worker), P .. 'gone'
  if not names[1] then return end
  local lease, left = call('HGET', P .. 'leases', worker) or '1000', call('PTTL', gone)
  call('ZREMRANGEBYSCORE', gone, '-inf', int(NOW))
  local members, known_until = {}, int(NOW + (tonumber(lease) or 1000))
  for n, name in ipairs(names) do members[2 * n - 1], members[2 * n] = known_until, name end
  for i = 1, #members, 1000 do call('ZADD', gone, 'GT', unpack(members, i, math.min(i + 999, #members))) end
  extend_index(gone, left, int(tonumber(lease) or 1000))
end

-- Give back all that a worker holds, the oldest claim first, and delete the worker. Answers how many messages it held.
local function forget_worker(worker, losses, code, dlq_ttl)
  local held, claims = call('HGETALL', P .. 'claims:' .. worker), {}
  for i = 1, #held, 2 do
    local token, _, flags, h = parse_claim(held[i + 1])
    if held[i] ~= '' and h then claims[#claims + 1] = { token = token, uuid = held[i], flags = flags, h = h } end
  end
  table.sort(claims, function(a, b) return a.token < b.token end)
  for _, claim in ipairs(claims) do give_back(claim.uuid, claim.h, claim.flags, losses, code, dlq_ttl) end
  if call('HDEL', P .. 'facts', worker) ~= 0 then remember_tasks(worker) end
  call('HDEL', P .. 'running', worker)
  if call('HEXISTS', P .. 'sleeping', worker) == 1 then end_sleep(worker, sleeper_of(worker)) end
  call('DEL', P .. 'claims:' .. worker, P .. 'calls:' .. worker, P .. 'tasks:' .. worker)
  call('ZREM', WORKERS, worker)
  call('HDEL', P .. 'leases', worker)
  return #claims
end
