-- Remove a message in any state, whichever worker holds it. Its uuid is new again at once. Its status becomes UNKNOWN,
-- unless it is FAILED or SUCCEEDED.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] '1' to leave it if a worker holds it
-- Returns: 1, or 0 if it isn't there or is left
-- Needs: detach effects end_message lookup result_channel status
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h = lookup(uuid, queue)
if not h then return 0 end
local place = locate(uuid, h)
if ARGV[4] == '1' and place.state == 'claimed' then return 0 end
commit()
detach(uuid, h, place)
end_message(uuid, queue, 'removed', h.request, h.tail, h.status_ttl)
write_ends()
if h.status_ttl ~= '0' and not string.match(call('GET', P .. 'statuses:' .. uuid) or '', '^[@FAILED@@SUCCEEDED@]|') then
  write_status(uuid, @UNKNOWN@, h.status_ttl)
end
publish_result(uuid)
apply_effects()
return 1
