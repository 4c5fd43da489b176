-- A step that has little to do: its worker goes on sleeping, nothing is ready for it, nothing is due, and the outcomes, if
-- any, are of messages that have succeeded. It is done here with few functions; all else is left to the rest of the script.
-- ARGV[2], ARGV[3], ARGV[6], ARGV[7], ARGV[8…] as in shared/ready_sets.lua, then as in step.lua
-- Later: sleep_on

-- What step.lua answers; nil or false if that must go on: false if something may be ready for the worker.
local function idle_step()
  local n_queues, n = tonumber(ARGV[7]), #ARGV
  local after = 8 + math.max(n_queues, 0)
  local received = string.match(ARGV[n], '^s(%d*)$')
  local first, second = string.match(ARGV[after + 1], '^%-(%d+)/?(%d*)$')
  if not (received and first) or (second ~= '') ~= (@two_slots@) then return nil end
  first, second = first - 1, tonumber(second)
  if n_queues == 0 or n_queues > 8 or ARGV[6] == 'only' or math.max(first, second or 0) < 1 then return nil end
  local sets = {}
  for _, wish in ipairs(@wishes_of_worker@) do
    local ready, suspects = P .. 'ready:' .. wish, P .. 'suspects:' .. wish
    if n_queues < 0 then sets[#sets + 1], sets[#sets + 2] = ready, suspects end
    for i = 8, after - 1 do sets[#sets + 1], sets[#sets + 2] = ready .. ':' .. ARGV[i], suspects .. ':' .. ARGV[i] end
  end
  if call('EXISTS', unpack(sets)) > 0 then return false end
  return later().sleep_on(after, received, { worker = ARGV[2], first = first, second = second, pushes = 0, since = int(NOW), kind = ARGV[3] })
end
