-- Where a message stands, for those who act on it without regard to its holder.

-- The header of a message of this queue, and its record; nil if there is none.
local function look(uuid, queue)
  local record = call('HGET', MESSAGES, uuid)
  local h = record and parse(record)
  if h and h.queue == queue then return h, record end
end

-- 'delayed', 'ready' or 'claimed'; of a ready one the room that it stands in too.
local function state_of(uuid, h)
  local place = place_of(h, uuid)
  if call('ZSCORE', DELAYED, place .. '\n' .. h.queue) then return 'delayed' end
  for _, room in ipairs({ 'ready:', 'suspects:' }) do
    local score = redis.pcall('ZSCORE', P .. room .. h.wish .. ':' .. h.queue, place)
    if type(score) == 'string' then return 'ready', room end
  end
  return 'claimed'
end

-- The workers are few, so that no step has to keep who holds what.
local function holder_of(uuid)
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    if call('HEXISTS', P .. 'claims:' .. worker, uuid) == 1 then return worker end
  end
end

-- Out of where it waits, or out of its holder's hands. Its record stays.
local function take_away(uuid, h)
  local state, room = state_of(uuid, h)
  if state == 'delayed' then
    call('ZREM', DELAYED, place_of(h, uuid) .. '\n' .. h.queue)
  elseif state == 'ready' then
    local set = P .. room .. h.wish .. ':' .. h.queue
    call('ZREM', set, place_of(h, uuid))
    if call('EXISTS', set) == 0 then call('ZREM', P .. room .. h.wish, h.queue) end
  else
    local worker = holder_of(uuid)
    if worker then call('HDEL', P .. 'claims:' .. worker, uuid) end
  end
end
