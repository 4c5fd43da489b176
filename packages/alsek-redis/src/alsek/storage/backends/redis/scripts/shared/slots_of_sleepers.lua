-- Pushes to workers with two kinds of slots.
-- Needs: slots

-- Take so many off the limits, each of which may be of either kind, and off their sum.
local function lessen_limits(many)
  for slot, limit in ipairs(limits) do limits[slot] = math.max(0, limit - many) end
  leave_wishes_with_room({ 0, 0 })
  return limits[1] + limits[2]
end

-- How many messages of each kind a worker may be pushed, if it has room for so many in all: none once it has claimed one.
local function room_by_slot(room)
  return room == limits[1] + limits[2] and { limits[1], limits[2] } or { 0, 0 }
end
