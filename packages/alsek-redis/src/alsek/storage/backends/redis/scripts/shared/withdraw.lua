-- Taking a message away from wherever shared/lookup.lua has found it.
-- Needs: header

-- Out of where it waits, or out of its holder's hands. Its record stays.
local function take_away(uuid, h, place)
  if place.state == 'delayed' then
    call('ZREM', DELAYED, place_of(h, uuid) .. '\n' .. h.queue)
  elseif place.state == 'ready' then
    local set = P .. place.class .. h.wish .. ':' .. h.queue
    call('ZREM', set, place_of(h, uuid))
    if call('EXISTS', set) == 0 then call('ZREM', P .. place.class .. h.wish, h.queue) end
  elseif place.worker then
    call('HDEL', P .. 'claims:' .. place.worker, uuid)
  end
end
