-- Compares ready sets and queues, and looks for them.

-- The members of two lists.
local function joined(first, second)
  local list = {}
  for _, members in ipairs({ first, second }) do
    for _, member in ipairs(members) do list[#list + 1] = member end
  end
  return list
end

-- The set whose next message has the lowest (priority, arrival).
local function best_set(sets)
  local best, score, place
  for _, set in ipairs(sets) do
    local member = set.list[set.at]
    if member then
      local own_score, own_place = tonumber(set.list[set.at + 1]), tonumber(string.sub(member, 1, 13)) or 0
      if not best or own_score < score or (own_score == score and own_place < place) then
        best, score, place = set, own_score, own_place
      end
    end
  end
  return best
end

-- Whether a comes before b in bytes, which is the order of ZRANGEBYLEX; Lua's "<" depends on the server's locale.
local function comes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- Whether any of these keys is there. They may be thousands: two for each task for which messages are set aside.
local function any_there(keys)
  for i = 1, #keys, 1000 do
    if call('EXISTS', unpack(keys, i, math.min(i + 999, #keys))) > 0 then return true end
  end
  return false
end
