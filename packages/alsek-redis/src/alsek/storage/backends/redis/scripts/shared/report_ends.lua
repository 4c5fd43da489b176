-- What becomes of what is kept of reports on a message (shared/reports.lua describes that) when the message ends.
-- Needs: header

-- Keep it for `ttl` ms (text): '-1' for ever.
local function keep_report(uuid, ttl)
  for _, key in ipairs({ P .. 'reports:' .. uuid, P .. 'log:' .. uuid }) do
    if ttl == '-1' then call('PERSIST', key) else call('PEXPIRE', key, ttl) end
  end
end

local function delete_report(uuid)
  call('DEL', P .. 'reports:' .. uuid, P .. 'log:' .. uuid)
end

-- A message that had some has ended; `status_ttl` and `dlq_ttl` say how long its status and dead letter are kept ('0' or
-- nil for none). With the dead letter all is kept, with the status all but the checkpoint.
local function end_report(uuid, status_ttl, dlq_ttl)
  if (dlq_ttl or '0') ~= '0' then return keep_report(uuid, dlq_ttl) end
  if (status_ttl or '0') == '0' then return delete_report(uuid) end
  call('HDEL', P .. 'reports:' .. uuid, 'checkpoint')
  keep_report(uuid, status_ttl == '-1' and '@default_status_ttl@' or status_ttl)
end

-- A dead letter of this uuid is deleted. What is kept may be that of a message that is stored.
local function delete_report_of_letter(uuid)
  local h = parse(call('HGET', MESSAGES, uuid) or '')
  if not h or not string.find(h.tail, ';o=1', 1, true) then delete_report(uuid) end
end
