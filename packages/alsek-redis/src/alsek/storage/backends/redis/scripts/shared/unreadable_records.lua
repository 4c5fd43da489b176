-- Records that can't be read.
-- Needs: dead_letters effects end_message status

-- End the message: its record becomes a dead letter, and the answer of the step names it. The caller calls write_ends().
local function reject_unreadable(uuid, queue, record, dlq_ttl)
  local version = not string.find(record, @readable_versions@) and string.match(record, '^(%d+)|')
  local reason = version and @unreadable@ or 'its header is damaged'
  end_message(uuid, queue, 'corrupt', nil, string.match(record, '^[^;\n]*(;[^|\n]*)'))
  local name = P .. 'statuses:' .. uuid
  if call('EXISTS', name) == 1 then
    call('SET', name, FAILED .. STAMP, 'KEEPTTL')
    try('PUBLISH', C .. 'statuses:' .. uuid, FAILED .. STAMP)
  end
  dead_letter(uuid, queue, record, cjson.encode({ name = 'CorruptMessageError', text = reason }):sub(1, -2) ..
    ',"traceback":null}', dlq_ttl)
  corrupt[#corrupt + 1] = uuid
  corrupt[#corrupt + 1] = queue
  corrupt[#corrupt + 1] = reason
end
