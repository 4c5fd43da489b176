-- Joins groups, and has them fail.
-- Needs: group_closing group_ends group_expiry packed submissions

-- A submission that is packed as a text: its arguments are added to ARGV. Answers where they begin.
local function unpack_submission(packed)
  local start = #ARGV + 1
  unpack_into(ARGV, packed)
  return start
end

-- These groups join, and their callbacks are submitted. One that is left out counts as none: then the group ends in its parent.
local function join(groups_to_join)
  local starts, start_of, accepted = {}, {}, {}
  for _, group in ipairs(groups_to_join) do
    local key = P .. 'group:' .. group.id
    local callback = call('HGET', key, 'callback')
    if callback and callback ~= '' then
      start_of[group] = unpack_submission(callback)
      starts[#starts + 1] = start_of[group]
      call('HDEL', key, 'callback')
    end
  end
  for k, answer in ipairs(starts[1] and submit(starts) or {}) do accepted[starts[k]] = answer ~= 0 end
  for _, group in ipairs(groups_to_join) do
    close_group(group, 'joined')
    if not accepted[start_of[group]] then
      end_place(group.parent, 'g', group.id, '')
      end_group(group)
    end
  end
end

-- Do what is decided, in its order: groups join, or they fail.
local function follow_decisions()
  local decisions, joining = decided, {}
  decided = {}
  for n, decision in ipairs(decisions) do
    local group = decision.group
    if decision.failure then
      call('HSET', P .. 'group:' .. group.id, 'failure', decision.failure)
      stop_group(group, 'failed', 'f', decision.uuid, decision.payload)
    else
      joining[#joining + 1] = group
      if not decisions[n + 1] or decisions[n + 1].failure then
        join(joining)
        joining = {}
      end
    end
  end
end
