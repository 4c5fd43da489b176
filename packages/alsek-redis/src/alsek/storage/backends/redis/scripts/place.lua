-- How many ready messages of a queue go before this one, by (priority, arrival).
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] up to how many are counted
-- Returns: their number, or one more than ARGV[4] if they are more; nil if the message is not ready in this queue
-- Needs: lookup member ready_classes
local h = lookup(ARGV[3], ARGV[2])
if not h or state_of(ARGV[3], h) ~= 'ready' then return false end
local own, most, before = member_of(h, ARGV[3]), tonumber(ARGV[4]), 0

-- How many members of a ready set come before: those with a lower priority; among equal ones the place of `own` is searched.
local function count_before(set)
  local lower = try('ZCOUNT', set, '-inf', '(' .. h.priority)
  if type(lower) ~= 'number' then return 0 end
  local from, to = lower, lower + call('ZCOUNT', set, h.priority, h.priority)
  while from < to and before + from <= most do
    local middle = math.floor((from + to) / 2)
    local member = call('ZRANGE', set, int(middle), int(middle))[1]
    if string.sub(member, 1, 13) < string.sub(own, 1, 13) then from = middle + 1 else to = middle end
  end
  return from
end

for _, class in ipairs(PLAIN_CLASSES) do
  for _, wish in ipairs(ALL_WISHES) do
    if before <= most then before = before + count_before(P .. class .. wish .. ':' .. h.queue) end
  end
end
return math.min(before, most + 1)
