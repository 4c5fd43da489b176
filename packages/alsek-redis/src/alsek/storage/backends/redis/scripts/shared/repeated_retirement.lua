-- Answers a retirement that was sent again.
-- ARGV[4] is where the outcomes begin
-- Needs: outcome_forms

-- The uuids of the outcomes and reports whose token is not among `accepted` (each between two blanks), or which come after
-- another outcome of their token in this call.
local function unaccepted(accepted)
  local refused, seen, i = {}, {}, 4
  while i <= #ARGV do
    local kind, uuid, token = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if kind == 'N' or not is_follower(kind) then
      if seen[token] or not string.find(accepted, ' ' .. token .. ' ', 1, true) then refused[#refused + 1] = uuid end
      seen[token] = seen[token] or kind ~= 'N'
    end
    i = i + width_of(ARGV[i])
  end
  return refused
end
