-- Joins groups.
-- Needs: group_closing group_ends group_expiry submissions

-- A submission that is packed as a text: its arguments are added to ARGV. Answers where they begin.
local function unpack_submission(packed)
  local start, at = #ARGV + 1, 1
  while at <= #packed do
    local length, from = string.match(packed, '^(%d+):()', at)
    at = from + length
    ARGV[#ARGV + 1] = string.sub(packed, from, at - 1)
  end
  return start
end

-- Join the groups of which all members have ended: submit their callbacks. One that is left out counts as none: then the group
-- ends in its parent.
local function join_groups()
  local starts, callers = {}, {}
  for _, group in ipairs(complete_groups) do
    close_group(group, 'joined')
    local key = P .. 'group:' .. group.id
    local callback = call('HGET', key, 'callback')
    callers[#callers + 1] = group
    if callback and callback ~= '' then
      starts[#starts + 1] = unpack_submission(callback)
      group.start = starts[#starts]
      call('HDEL', key, 'callback')
    end
  end
  complete_groups = {}
  local accepted = {}
  for k, answer in ipairs(starts[1] and submit(starts) or {}) do accepted[starts[k]] = answer ~= 0 end
  for _, group in ipairs(callers) do
    if not accepted[group.start] then
      end_place(group.parent, 'g', group.id, '')
      end_group(group)
    end
  end
end
