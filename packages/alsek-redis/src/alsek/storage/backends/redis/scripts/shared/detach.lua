-- Transitions: a single message leaves its state, whatever it is. Its record stays.
-- With keys: bonds waiting
-- Needs: leave_claimed leave_delayed leave_ready member

-- `place` is what locate() in shared/lookup.lua found.
local function detach(uuid, h, place)
  if place.state == 'waiting' then return rarely().with_keys().leave_waiting(h, uuid, place.waits_for) end
  if string.find(h.tail, ';l=', 1, true) then rarely().with_keys().free_places(uuid, h.tail) end
  if place.state == 'delayed' then
    leave_delayed({ member_of(h, uuid) .. '\n' .. h.queue })
  elseif place.state == 'ready' then
    local index = P .. place.class .. h.wish
    leave_ready({ key = index .. ':' .. h.queue, index = index, queue = h.queue }, member_of(h, uuid))
  elseif place.worker then
    leave_claimed(P .. 'claims:' .. place.worker, { uuid })
  end
end
