-- Applies the outcomes that are less frequent than success. The caller, prepare_outcomes(), ends the claims.
-- Needs: claim_header dead_letters end_message give_back header outcomes retry set_aside status unreadable_records

local function bury(uuid, h, i)
  local record = call('HGET', MESSAGES, uuid) or ''
  end_message(uuid, h.queue, 'failed', h.request, h.tail, h.status_ttl, ARGV[i + 4], ARGV[i] == 'V', ARGV[i + 3])
  write_status(uuid, @FAILED@, h.status_ttl)
  local body = (parse(record) or { body = 1 }).body
  dead_letter(uuid, h.queue, string.sub(record, body), ARGV[i + 4], ARGV[i + 3], h.tail)
end

local APPLY = {
  T = function(uuid, h, i, _, dlq_ttl)
    local record = call('HGET', MESSAGES, uuid) or ''
    local body = (parse(record) or {}).body
    if not body then return reject_unreadable(uuid, h.queue, record, dlq_ttl, h.tail) end
    requeue(uuid, h, tonumber(ARGV[i + 3]), ARGV[i + 4], string.sub(record, body))
  end,
  U = function(uuid, h, i) requeue(uuid, h, tonumber(ARGV[i + 3]), ARGV[i + 4], ARGV[i + 5]) end,
  D = bury,
  V = bury,
  R = function(uuid, h, _, flags, dlq_ttl) give_back(uuid, h, flags, 0, @SUBMITTED@, dlq_ttl) end,
  L = function(uuid, h, i, flags, dlq_ttl)
    if flags % 2 == 0 and ARGV[i + 3] == '1' then flags = flags + 1 end
    give_back(uuid, h, flags, 1, @RETRYING@, dlq_ttl)
  end,
  A = function(uuid, h, i, flags, dlq_ttl)
    local task = ARGV[i + 5]
    if ARGV[i + 6] == '1' or is_known(task) then return true, give_back(uuid, h, flags, 0, @SUBMITTED@, dlq_ttl, task) end
    without_worker = without_worker or {}
    without_worker[#without_worker + 1] = uuid
    bury(uuid, h, i)
  end,
}

-- Apply an outcome of this kind, which begins at ARGV[i], to the message of this claim. Answers its uuid, or nil if it was set
-- aside: then nothing follows.
local function apply_outcome(kind, uuid, claim, i, dlq_ttl)
  local _, _, flags, h = parse_claim(claim)
  return not APPLY[kind](uuid, h, i, flags, dlq_ttl) and uuid or nil
end
