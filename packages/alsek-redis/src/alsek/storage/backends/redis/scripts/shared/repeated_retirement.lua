-- Answers a retirement that was sent again.
-- ARGV[4] is where the outcomes begin
-- Needs: outcomes

-- The uuids of the outcomes whose token is not among `accepted` (each between two blanks), or came before in this call.
local function unaccepted(accepted)
  local refused, seen, i = {}, {}, 4
  while i <= #ARGV do
    local uuid, token = ARGV[i + 1], ARGV[i + 2]
    if not FOLLOWS[ARGV[i]] then
      if seen[token] or not string.find(accepted, ' ' .. token .. ' ', 1, true) then refused[#refused + 1] = uuid end
      seen[token] = true
    end
    i = i + WIDTH[ARGV[i]]
  end
  return refused
end
