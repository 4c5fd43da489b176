-- Schedules that come from another store, or go: to another one, or for good.
-- Needs: schedule_offers schedule_records

-- Its record; nil if there is none. Called before the first write.
local function schedule_record(name)
  first_offer()
  return call('HGET', SCHEDULES, name)
end

local function delete_schedule(name)
  call('HDEL', SCHEDULES, name)
  set_offer(name, '')
end

local function take_in_schedule(name, record)
  local before = first_offer()
  call('HSET', SCHEDULES, name, record)
  set_offer(name, offered_at(parse_schedule(record)), before)
end
