-- Where a message stands, for those who act on it without regard to its holder.
-- Needs: header

-- The header of a message of this queue, and its record; nil if there is none.
local function lookup(uuid, queue)
  local record = call('HGET', MESSAGES, uuid)
  local h = record and parse(record)
  if h and h.queue == queue then return h, record end
end

-- 'delayed', 'ready' or 'claimed'; of a ready one the room that it stands in too.
local function state_of(uuid, h)
  local place = place_of(h, uuid)
  if call('ZSCORE', DELAYED, place .. '\n' .. h.queue) then return 'delayed' end
  for _, class in ipairs({ 'ready:', 'suspects:' }) do
    local score = try('ZSCORE', P .. class .. h.wish .. ':' .. h.queue, place)
    if type(score) == 'string' then return 'ready', class end
  end
  return 'claimed'
end

-- The workers are few, so that no step has to keep who holds what.
local function holder_of(uuid)
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    if try('HEXISTS', P .. 'claims:' .. worker, uuid) == 1 then return worker end
  end
end

-- Where a message waits, or which worker holds it; reads only, so it is called before the first write.
local function locate(uuid, h)
  local state, class = state_of(uuid, h)
  return { state = state, class = class, worker = state == 'claimed' and holder_of(uuid) }
end
