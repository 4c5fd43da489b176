-- Hands out messages.
-- ARGV[5] the worker's dlq_ttl
-- Needs: fetch leave_when_picked status
-- Rarely: unreadable_records
-- With groups: group_claims
-- With keys: bonds

-- Transition: a message becomes claimed. Only this function does that; step.lua writes the entries into the worker's claims.
local function enter_claimed(entries, uuid, claim_text)
  entries[#entries + 1] = uuid
  entries[#entries + 1] = claim_text
end

-- Claim what choose() has picked, and note the claims in `entries`.
-- Answers a flat list: uuid, token, flags, record of each; and the uuid of a suspect among them, or false.
local function claim(picked, seq, entries)
  local uuids, answer, at, suspect_uuid = picked.uuids, {}, 0, false
  if not uuids[1] then return answer, suspect_uuid end
  local token = call('HINCRBY', COUNTERS, 'token', int(#uuids))
  if not token then return answer, suspect_uuid end
  token = token - #uuids
  for _, set in ipairs(picked.sets) do leave_when_picked(set) end
  for n, record in ipairs(fetch(MESSAGES, uuids)) do
    local expiry, status_ttl, tail, body = string.match(record or '', TO_CLAIM)
    local uuid = uuids[n]
    if body then
      if tail ~= '' and string.find(tail, ';g=', 1, true) then record = rarely().with_groups().as_awaited(uuid, record, tail) end
      local flags = picked.suspect[n] and 1 or 0
      if expiry ~= '0' and tonumber(expiry) < NOW then flags = flags + 2 end
      local claim_token = int(token + n)
      enter_claimed(entries, uuid, claim_token .. '|' .. seq .. '|' .. flags .. '|' .. string.sub(record, 1, body - 1))
      write_status(uuid, @RUNNING@, status_ttl)
      -- A key that is held until the start (';k=s'), or a rate (such as '=r10/').
      if tail ~= '' and string.find(tail, '[;=,][kr][=%d][s%d/]') then rarely().with_keys().begin(uuid, record, claim_token) end
      suspect_uuid = suspect_uuid or picked.suspect[n] and uuid
      answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = uuid, claim_token, flags, record
      at = at + 4
    elseif record then
      rarely().reject_unreadable(uuid, picked.queue[n], record, ARGV[5])
    end
  end
  return answer, suspect_uuid
end
