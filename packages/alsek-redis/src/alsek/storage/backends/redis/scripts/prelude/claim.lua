-- Handing out messages.

-- Claim what was picked. Answers uuid, token, flags, record of each; notes the claims in `entries`.
local function claim(picked, seq, entries)
  local uuids, answer = {}, {}
  for n, one in ipairs(picked) do uuids[n] = one[1] end
  if not uuids[1] then return answer, false end
  local found = call('HMGET', MESSAGES, unpack(uuids))
  local token = call('HINCRBY', COUNTERS, 'token', #uuids) - #uuids
  local alone = false
  for n, record in ipairs(found) do
    local uuid, suspect, h = uuids[n], picked[n][2], record and parse(record)
    if h then
      local expired = h.expiry ~= '0' and tonumber(h.expiry) <= NOW
      local flags = (suspect and 1 or 0) + (expired and 2 or 0)
      local mine = int(token + n)
      entries[#entries + 1] = uuid
      entries[#entries + 1] = mine .. '|' .. seq .. '|' .. flags .. '|' .. string.sub(record, 1, h.body - 1)
      status(uuid, RUNNING, h.status_ttl)
      alone = alone or suspect and uuid
      local at = #answer
      answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = uuid, mine, flags, record
    elseif record then
      set_aside(uuid, picked[n][3], record, ARGV[5])
    end
  end
  return answer, alone
end

-- What the step `seq` handed out and is still held, as claim() answered it.
local function claims_of_step(claims, seq)
  local answer, held = {}, call('HGETALL', claims)
  for i = 1, #held, 2 do
    local token, at_seq, flags = parse_claim(held[i + 1])
    if held[i] ~= '' and token and at_seq == tonumber(seq) then
      local record = call('HGET', MESSAGES, held[i])
      if record then
        local at = #answer
        answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = held[i], int(token), flags, record
      end
    end
  end
  return answer
end
