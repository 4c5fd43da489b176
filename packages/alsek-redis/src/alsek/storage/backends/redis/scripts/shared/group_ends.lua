-- Notes what has ended in a call that groups must know of. settle_groups() counts it, after everything else that the call does,
-- but before a claim.
-- Needs: groups

-- Places that have ended: {place, letter, uuid, payload}. Those of messages that have succeeded also by uuid. What is decided
-- of groups, and follows: {at, group, failure, uuid, payload}; by which end it was decided, and of one that has failed because of
-- what. Groups whose callback has ended.
local ended_places, ended_well, decided, ended_callbacks = {}, {}, {}, {}

-- A place in a group has come to its end.
local function end_place(place, letter, uuid, payload)
  ended_places[#ended_places + 1] = { place, letter, uuid, payload }
end

-- A message with this tail has ended: as end_message().
local function note_group_end(uuid, how, tail, payload, revoked)
  local place = unescaped(string.match(tail, ';g=([^;]*)'))
  if place then
    local well = how == 'succeeded'
    end_place(place, well and 's' or (revoked or how == 'removed') and 'r' or 'f', uuid, payload or '')
    if well then ended_well[uuid] = ended_places[#ended_places] end
  end
  ended_callbacks[#ended_callbacks + 1] = unescaped(string.match(tail, ';j=([^;]*)'))
end

-- A message has succeeded, and goes on in its callback, which has its place.
local function goes_on(uuid)
  local ended_place = ended_well[uuid]
  if ended_place then ended_place[1] = '' end
end

-- A message has succeeded with this result for its group.
local function set_group_result(uuid, result)
  local ended_place = ended_well[uuid]
  if ended_place then ended_place[4] = result end
end
