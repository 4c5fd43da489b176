-- Which ready sets there are of many queues, in few commands.
-- Needs: ready_classes

-- For each of these queues (up to a thousand) the names of its ready sets, with what is set aside or without; and for each
-- its pause, or false. The indexes of plain sets don't list a queue that is paused, so its sets may not be there.
local function sets_of_queues(queues, also_aside)
  local sets, pauses = {}, call('HMGET', P .. 'paused', unpack(queues))
  local any_paused = false
  for i = 1, #queues do
    sets[i], any_paused = {}, any_paused or pauses[i]
  end
  for n = 1, also_aside and math.huge or #PLAIN_CLASSES do
    local class = class_number(n)
    if not class then break end
    for _, wish in ipairs(ALL_WISHES) do
      local index = P .. class .. wish
      local listed = call('EXISTS', index) == 1 and try('ZMSCORE', index, unpack(queues)) or {}
      for i, queue in ipairs((listed[1] ~= nil or listed.err or any_paused) and queues or {}) do
        if listed[i] or listed.err or pauses[i] then sets[i][#sets[i] + 1] = index .. ':' .. queue end
      end
    end
  end
  return sets, pauses
end
