-- Adds up what workers have counted. history:<minute> is a hash: length of the queue|queue task -> counts, as
-- history.py of alsek-core packs them.
-- From ARGV[AFTER_QUEUES + 2] on three for each: queue, task, counts; shared/slots.lua reads how many there are.
-- Needs: ready_sets
local MINUTE, KEPT = @history_minute@, '@history_kept@'

-- The sum of two texts of counts, key by key.
local function sum(a, b)
  local keys, numbers = {}, {}
  for _, text in ipairs({ a, b }) do
    for key, number in string.gmatch(text, '([^%s:]+):(%d+)') do
      if not numbers[key] then keys[#keys + 1] = key end
      numbers[key] = (numbers[key] or 0) + number
    end
  end
  for n, key in ipairs(keys) do keys[n] = key .. ':' .. int(numbers[key]) end
  return table.concat(keys, ' ')
end

-- Add the counts that stand before ARGV[outcomes] to those of the present minute.
local function add_counts(outcomes)
  local minute = P .. 'history:' .. int(math.floor(NOW / MINUTE))
  for i = AFTER_QUEUES + 2, outcomes - 1, 3 do
    local field = #ARGV[i] .. '|' .. ARGV[i] .. ARGV[i + 1]
    call('HSET', minute, field, sum(call('HGET', minute, field) or '', ARGV[i + 2]))
  end
  call('PEXPIRE', minute, KEPT)
end
