-- What follows outcomes that were accepted: shared/outcomes.lua describes their letters.
-- Needs: counts submissions
-- With groups: group_ends group_followers unreachable

-- Note what will not be submitted, submit the callbacks, then all else. `follows` is flat: where each begins in ARGV, and the
-- uuid of the message whose outcome it follows. Answers the uuids of what was left out, because it exists already.
local function follow(follows)
  local skipped, starts, parents, others = {}, {}, {}, {}
  for n = 1, #follows, 2 do
    if ARGV[follows[n]] == 'C' then
      starts[#starts + 1], parents[#parents + 1] = follows[n] + 1, follows[n + 1]
    elseif ARGV[follows[n]] == 'X' then
      rarely().with_groups().note_unreachable(ARGV[follows[n] + 1], follows[n + 1])
    else
      others[#others + 1], others[#others + 2] = follows[n], follows[n + 1]
    end
  end
  for k, answer in ipairs(starts[1] and submit(starts) or {}) do
    if answer == 0 then
      skipped[#skipped + 1] = ARGV[starts[k]]
    elseif groups_noted then
      rarely().with_groups().goes_on(parents[k])
    end
  end
  if others[1] then rarely().with_groups().follow_with_groups(others, skipped) end
  return skipped
end
