-- What follows the outcomes of messages that are in groups, or whose callbacks are groups: shared/outcomes.lua describes it.
-- Needs: counts group_creation group_ends groups submissions

-- Create the groups and submit their members. `follows` is flat: where each begins in ARGV,
-- and the uuid of the message whose outcome it follows. What is left out is added to `skipped`.
local function follow_with_groups(follows, skipped)
  local members, created, left_out = {}, {}, {}
  groups_noted = true
  for n = 1, #follows, 2 do
    local i, uuid = follows[n], follows[n + 1]
    local id = ARGV[i + 1]
    if ARGV[i] == 'G' then
      set_group_result(uuid, id)
    elseif ARGV[i] == 'H' then
      set_group_result(uuid, ARGV[i - 1])
    elseif ARGV[i] == 'B' and created[uuid] ~= false then
      local stored = create_group(i + 1, '-')
      if stored and not created[uuid] then goes_on(uuid) end
      if not stored then
        skipped[#skipped + 1], left_out[id] = id, true
        if created[uuid] then end_place(ARGV[i + 5], 'r', id, '') end
      end
      created[uuid] = created[uuid] or stored
    elseif ARGV[i] == 'M' and created[uuid] then
      local group = unescaped(string.match(ARGV[i + 9], ';g=([^;]*):%d+'))
      if not left_out[group or ''] then members[#members + 1] = i + 1 end
    end
  end
  for k, answer in ipairs(members[1] and submit(members) or {}) do
    local place = unescaped(string.match(ARGV[members[k] + 8], ';g=([^;]*)'))
    if answer == 0 then
      skipped[#skipped + 1] = ARGV[members[k]]
      -- Its place would never end.
      if place then end_place(place, 'r', ARGV[members[k]], '') end
    end
  end
end
