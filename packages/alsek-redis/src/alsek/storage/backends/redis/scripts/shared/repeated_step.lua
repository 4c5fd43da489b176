-- Answers a step that was sent again.
-- Needs: claim_header

-- The messages that step `seq` handed out and that the worker still holds, in the form of claim()'s answer.
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

-- What the answer of a step has besides messages, as text; '' if there is nothing.
local function saved_answer(refused, skipped, corrupted, failed)
  return cjson.encode({ refused = refused, skipped = skipped, corrupt = corrupted, failed = failed })
end

local function read_answer(saved)
  local kept = saved ~= '' and cjson.decode(saved) or {}
  return kept.refused or {}, kept.skipped or {}, kept.corrupt or {}, kept.failed
end
