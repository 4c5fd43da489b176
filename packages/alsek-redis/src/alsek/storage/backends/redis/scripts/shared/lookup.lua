-- Finds a message and its state, whichever worker holds it.
-- Needs: header member ready_classes

-- The header of a message of this queue, and its record; nil if there is none.
local function lookup(uuid, queue)
  local record = call('HGET', MESSAGES, uuid)
  local h = record and parse(record)
  if h and h.queue == queue then return h, record end
end

-- 'delayed', 'ready', 'claimed' or 'waiting'; of a ready one also the class of its ready set, of one that waits its value in
-- `waits` as the third.
local function state_of(uuid, h)
  local waits_for = string.find(h.tail, ';[kl]=') and call('HGET', P .. 'waits', uuid)
  if waits_for then return 'waiting', nil, waits_for end
  local place = member_of(h, uuid)
  if call('ZSCORE', DELAYED, place .. '\n' .. h.queue) then return 'delayed' end
  for n = 1, math.huge do
    local class = class_number(n)
    if not class then return 'claimed' end
    local score = try('ZSCORE', P .. class .. h.wish .. ':' .. h.queue, place)
    if type(score) == 'string' then return 'ready', class end
  end
end

-- The worker that holds a message; nil if none does. There are few workers, so all are asked and no step has to keep this.
local function holder_of(uuid)
  for _, worker in ipairs(call('ZRANGE', WORKERS, 0, -1)) do
    if try('HEXISTS', P .. 'claims:' .. worker, uuid) == 1 then return worker end
  end
end

-- Where a message waits, or which worker holds it, for detach(). Called before the first write.
local function locate(uuid, h)
  local state, class, waits_for = state_of(uuid, h)
  return { state = state, class = class, waits_for = waits_for, worker = state == 'claimed' and holder_of(uuid) }
end
