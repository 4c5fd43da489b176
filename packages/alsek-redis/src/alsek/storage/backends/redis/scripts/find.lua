-- A message as it is stored now, whatever its queue, and where it stands.
-- ARGV[2] uuid
-- Returns: nil, or {state, record, when it is due (Unix ms; -1 unless it is delayed), the class of its ready set, the worker
-- that holds it, that worker's claim, what it waits for: as in `waits`, with the limit in place of a line}; '' for what does
-- not apply
-- Needs: header lookup member
local uuid = ARGV[2]
local record = call('HGET', MESSAGES, uuid)
local h = record and parse(record)
if not h then return false end
local place = locate(uuid, h)
local due = place.state == 'delayed' and call('ZSCORE', DELAYED, member_of(h, uuid) .. '\n' .. h.queue)
local claim = place.worker and call('HGET', P .. 'claims:' .. place.worker, uuid)
-- A line has the first of its limits in its name, should it stand nowhere.
local line, rest = string.match(place.waits_for or '', '^l:([^|]*)(|.*)$')
local waits_for = line and (call('HGET', P .. 'lines', line) or string.match(line, '^[^,]*')) .. rest or place.waits_for
return { place.state, record, due and tonumber(due) or -1, place.class or '', place.worker or '', claim or '',
  waits_for or '' }
