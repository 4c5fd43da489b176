-- Records that can't be read.
-- Needs: dead_letters effects end_message status
-- With keys: bonds
-- With reports: report_ends

-- End the message: its record becomes a dead letter, and the answer of the step names it. The caller calls write_ends().
-- `tail` is that of its header, if it is known from elsewhere.
local function reject_unreadable(uuid, queue, record, dlq_ttl, tail)
  local version = not string.find(record, @readable_versions@) and string.match(record, '^(%d+)|')
  local reason = version and @unreadable@ or 'its header is damaged'
  local error_text = cjson.encode({ name = 'CorruptMessageError', text = reason }):sub(1, -2) .. ',"traceback":null}'
  tail = tail or string.match(record, '^[^;\n]*(;[^|\n]*)') or ''
  local name = P .. 'statuses:' .. uuid
  local status_left = call('PTTL', name) or -2
  local status_ttl = status_left ~= -2 and int(status_left) or '0'
  end_message(uuid, queue, 'corrupt', nil, tail, status_ttl, error_text, false, dlq_ttl)
  if not string.find(tail, ';[kl]=') then rarely().with_keys().let_go_of_all(uuid) end
  if not string.find(tail, ';o=1', 1, true) then rarely().with_reports().end_report(uuid, status_ttl, dlq_ttl) end
  if status_ttl ~= '0' then
    call('SET', name, @FAILED@ .. STAMP, 'KEEPTTL')
    try('PUBLISH', C .. 'statuses:' .. uuid, @FAILED@ .. STAMP)
  end
  dead_letter(uuid, queue, record, error_text, dlq_ttl)
  corrupt[#corrupt + 1] = uuid
  corrupt[#corrupt + 1] = queue
  corrupt[#corrupt + 1] = reason
end
