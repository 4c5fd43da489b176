-- Finds the sleepers that a new message may be pushed to.
-- Needs: sleepers
local TRIES, FEW = 3, 4

-- Which room of a sleeper takes messages of this wish (nil if none does), and the letters of the wishes that it takes.
local function room_for(sleeper, wish)
  local first, second = string.match(@wishes_of_sleeper@, '^(%a+)/?(%a*)$')
  if string.find(first, wish, 1, true) then return 'first', first end
  if string.find(second, wish, 1, true) then return 'second', second end
end

-- The workers that have slept longest on these lists of tokens, those of the queue and those of all. If there are few sleepers at
-- all, `notes` is what is noted of them (flat: worker, note), and that does; else each worker comes with the sorted set in which it stands.
local function first_sleepers(lists, wish, queue, notes)
  local found, few = {}, #notes <= 2 * FEW
  for i = 1, few and #notes or 0, 2 do
    local sleeper = sleeper_of(notes[i], notes[i + 1])
    local room = sleeper and room_for(sleeper, wish)
    local named = sleeper and (sleeper.queues == '' or string.find(sleeper.queues .. '\n', '\n' .. queue .. '\n', 1, true))
    if room and named and sleeper[room] > 0 then found[#found + 1] = sleeper end
  end
  for _, list in ipairs(few and {} or lists) do
    local set = SLEEPERS .. string.sub(list, #P + 1)
    local first = try('ZRANGE', set, '0', int(TRIES - 1), 'WITHSCORES')
    for i = 1, #first, 2 do found[#found + 1] = { worker = first[i], arrival = tonumber(first[i + 1]), set = set } end
  end
  if found[2] then table.sort(found, function(a, b) return a.arrival < b.arrival end) end
  return found
end
