-- How many messages are set aside.
-- Returns: flat: queue, task, how many
-- Needs: number ready_classes
local answer = {}
for n = #PLAIN_CLASSES + 1, math.huge do
  local class = class_number(n)
  if not class then return answer end
  for _, wish in ipairs(ALL_WISHES) do
    local index = P .. class .. wish
    for _, queue in ipairs(try('ZRANGE', index, 0, -1)) do
      local at = #answer
      answer[at + 1], answer[at + 2] = queue, string.match(class, 'aside:(.*)\n$')
      answer[at + 3] = number(try('ZCARD', index .. ':' .. queue))
    end
  end
end
