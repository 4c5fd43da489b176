-- Transitions: a single message leaves its state, whatever it is. Its record stays.
-- Needs: leave_claimed leave_delayed leave_ready member

-- `place` is what locate() in shared/lookup.lua found.
local function detach(uuid, h, place)
  if place.state == 'delayed' then
    leave_delayed({ member_of(h, uuid) .. '\n' .. h.queue })
  elseif place.state == 'ready' then
    local index = P .. place.class .. h.wish
    leave_ready({ key = index .. ':' .. h.queue, index = index, queue = h.queue }, member_of(h, uuid))
  elseif place.worker then
    leave_claimed(P .. 'claims:' .. place.worker, { uuid })
  end
end
