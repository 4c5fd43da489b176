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
    local score = try('ZSCORE', P .. room .. h.wish .. ':' .. h.queue, place)
    if type(score) == 'string' then return 'ready', room end
  end
  return 'claimed'
end

-- The workers are few, so that no step has to keep who holds what.
local function holder_of(uuid)
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    if try('HEXISTS', P .. 'claims:' .. worker, uuid) == 1 then return worker end
  end
end

-- Where it waits, or who holds it, for take_away(): to be asked before the first write.
local function whereabouts(uuid, h)
  local state, room = state_of(uuid, h)
  return { state = state, room = room, worker = state == 'claimed' and holder_of(uuid) }
end
