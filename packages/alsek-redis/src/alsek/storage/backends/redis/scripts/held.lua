-- What a worker holds now.
-- KEYS[6] its claims
-- Returns: flat, in no order: uuid, token, flags, record
-- Needs: claim_header
local answer, held = {}, call('HGETALL', KEYS[6])
for i = 1, #held, 2 do
  local token, _, flags = parse_claim(held[i + 1])
  local record = token and call('HGET', MESSAGES, held[i])
  if record then
    local at = #answer
    answer[at + 1], answer[at + 2], answer[at + 3], answer[at + 4] = held[i], int(token), flags, record
  end
end
return answer
