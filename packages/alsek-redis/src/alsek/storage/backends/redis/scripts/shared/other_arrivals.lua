-- What comes from another store and is neither a message nor a dead letter.
-- Needs: arrivals result ttl
-- With schedules: schedule_changes

-- Whether there is one of this name already. Called before the first write.
local function is_there(kind, name)
  if kind == 't' then return rarely().with_schedules().schedule_record(name) end
  return call('EXISTS', P .. ({ r = 'results:', s = 'statuses:', v = 'values:' })[kind] .. name) == 1
end

-- Store a result, a status, a value or a schedule, given at ARGV[i…], unless it has expired.
local function take_in(kind, i)
  local name = ARGV[i]
  if kind == 'r' then
    local ttl = lives(ARGV[i + 5])
    if ttl then write_result(name, ARGV[i + 1], ttl, ARGV[i + 3], ARGV[i + 4], tonumber(ARGV[i + 2])) end
  elseif kind == 's' then
    take_in_status(name, ARGV[i + 1], ARGV[i + 2])
  elseif kind == 't' then
    rarely().with_schedules().take_in_schedule(name, ARGV[i + 1])
  else
    local ttl = lives(ARGV[i + 2])
    if ttl then set_for(P .. 'values:' .. name, ARGV[i + 1], ttl) end
  end
end
