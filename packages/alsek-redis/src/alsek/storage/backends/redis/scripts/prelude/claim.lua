-- Handing out messages.
-- ARGV[5] the worker's dlq_ttl

-- Claim what was picked. Answers uuid, token, flags, record of each, and the uuid of a suspect among them or
-- false; notes the claims in `entries`.
local function claim(picked, seq, entries)
  local uuids, answer, at, alone = picked.uuids, {}, 0, false
  if not uuids[1] then return answer, alone end
  local token = call('HINCRBY', COUNTERS, 'token', #uuids) - #uuids
  for n, record in ipairs(fetch(MESSAGES, uuids)) do
    local expiry, status_ttl, body = string.match(record or '', TO_CLAIM)
    local uuid = uuids[n]
    if body then
      local flags = picked.suspect[n] and 1 or 0
      if expiry ~= '0' and tonumber(expiry) < NOW then flags = flags + 2 end
      local mine = int(token + n)
      entries[#entries + 1] = uuid
      entries[#entries + 1] = mine .. '|' .. seq .. '|' .. flags .. '|' .. string.sub(record, 1, body - 1)
      status(uuid, RUNNING, status_ttl)
      alone = alone or picked.suspect[n] and uuid
      answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = uuid, mine, flags, record
      at = at + 4
    elseif record then
      set_aside(uuid, picked.queue[n], record, ARGV[5])
    end
  end
  return answer, alone
end

-- What the step `seq` handed out and is still held, as claim() answered it.
local function claims_of_step(claims, seq)
  local mine, answer, held = {}, {}, call('HGETALL', claims)
  for i = 1, #held, 2 do
    local token, at_seq, flags = parse_claim(held[i + 1])
    local record = held[i] ~= '' and at_seq == tonumber(seq) and call('HGET', MESSAGES, held[i])
    if record then mine[#mine + 1] = { held[i], token, flags, record } end
  end
  table.sort(mine, function(a, b) return a[2] < b[2] end)
  for _, one in ipairs(mine) do
    local at = #answer
    answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = one[1], int(one[2]), one[3], one[4]
  end
  return answer
end
