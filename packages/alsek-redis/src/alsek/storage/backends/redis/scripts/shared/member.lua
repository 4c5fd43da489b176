-- Members of ready sets and of the delayed messages.

-- The member of a message in a ready set: its arrival number first, so that equal priorities are taken in order of arrival.
local function member_of(h, uuid)
  return string.format('%013d', h.arrival) .. uuid
end
