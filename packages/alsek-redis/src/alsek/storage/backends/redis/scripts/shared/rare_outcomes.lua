-- Applies the outcomes that are less frequent than success. The caller, prepare_outcomes(), ends the claims.
-- Needs: claim_header dead_letters end_message enter give_back header status
local APPLY = {
  T = function(uuid, h, i)
    local pause = tonumber(ARGV[i + 3])
    h.arrival, h.ttl, h.expiry = call('HINCRBY', COUNTERS, 'arrival', 1) or h.arrival, '0', '0'
    write_record(uuid, format(h) .. ARGV[i + 4])
    if pause > 0 then enter_delayed(h, uuid, NOW + pause) else enter_ready(h, uuid) end
    write_status(uuid, RETRYING, h.status_ttl)
  end,
  D = function(uuid, h, i)
    local record = call('HGET', MESSAGES, uuid) or ''
    end_message(uuid, h.queue, 'died', h.request)
    write_status(uuid, FAILED, h.status_ttl)
    dead_letter(uuid, h.queue, string.sub(record, (parse(record) or { body = 1 }).body), ARGV[i + 4], ARGV[i + 3])
  end,
  R = function(uuid, h, _, flags, dlq_ttl) give_back(uuid, h, flags, 0, SUBMITTED, dlq_ttl) end,
  L = function(uuid, h, i, flags, dlq_ttl)
    if flags % 2 == 0 and ARGV[i + 3] == '1' then flags = flags + 1 end
    give_back(uuid, h, flags, 1, RETRYING, dlq_ttl)
  end,
}

-- Apply an outcome of this kind, which begins at ARGV[i], to the message of this claim.
local function apply_outcome(kind, uuid, claim, i, dlq_ttl)
  local _, _, flags, h = parse_claim(claim)
  APPLY[kind](uuid, h, i, flags, dlq_ttl)
end
