-- Joins groups, and has them fail.
-- Needs: group_closing group_ends group_expiry packed submissions

-- A submission that is packed as a text: its arguments are added to ARGV. Answers where they begin.
local function unpack_submission(packed)
  local start = #ARGV + 1
  unpack_into(ARGV, packed)
  return start
end

-- Do what is decided: groups join, and their callbacks are submitted, or they fail. A callback that is left out counts as none:
-- then the group ends in its parent.
local function follow_decisions()
  local decisions, starts, accepted = decided, {}, {}
  decided = {}
  for _, decision in ipairs(decisions) do
    local key = P .. 'group:' .. decision.group.id
    local callback = not decision.failure and call('HGET', key, 'callback')
    if callback and callback ~= '' then
      decision.start = unpack_submission(callback)
      starts[#starts + 1] = decision.start
      call('HDEL', key, 'callback')
    end
  end
  for k, answer in ipairs(starts[1] and submit(starts) or {}) do accepted[starts[k]] = answer ~= 0 end
  for _, decision in ipairs(decisions) do
    local group = decision.group
    if decision.failure then
      call('HSET', P .. 'group:' .. group.id, 'failure', decision.failure)
      stop_group(group, 'failed', 'f', decision.uuid, decision.payload)
    else
      close_group(group, 'joined')
      if not accepted[decision.start] then
        end_place(group.parent, 'g', group.id, '')
        end_group(group)
      end
    end
  end
end
