-- Remove a message in whatever state, whoever holds it. Its uuid is new again at once; its status is UNKNOWN, unless it
-- tells of an end.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: 1, or 0 if it isn't there
-- Needs: base dedup_window header wakeup_tokens effects status lookup withdraw drop
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h = look(uuid, queue)
if not h then return 0 end
local place = whereabouts(uuid, h)
commit()
take_away(uuid, h, place)
drop(uuid, h)
settle()
if h.status_ttl ~= '0' and not string.match(call('GET', P .. 'statuses:' .. uuid) or '', '^[45]|') then
  status(uuid, 0, h.status_ttl)
end
tell_result(uuid)
return 1
