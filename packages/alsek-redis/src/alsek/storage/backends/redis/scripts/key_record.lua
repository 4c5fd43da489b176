-- Who holds a unique key.
-- ARGV[2] the key
-- Returns: nil if nobody does, else {uuid of the holder, uuid of the message that waits behind it or '', end of the window or 0}
-- Needs: header unique_key_record
local state = read_key(ARGV[2])
if not state then return false end
if state.held and state.held_until <= NOW then
  local h = parse(call('HGET', MESSAGES, state.holder) or '')
  if not h or key_in(h.tail) ~= ARGV[2] then return false end
end
return { state.holder, state.follower, int(state.held_until) }
