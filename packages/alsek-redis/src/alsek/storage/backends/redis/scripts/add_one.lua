-- Store one new message that is ready at once, as add.lua does, in fewer commands. Nearly all submissions are of this kind.
-- All else is left to add.lua before anything is written: a uuid that may not be new, an overwritten ready set or index.
-- ARGV[2] request, then the submission: ARGV[3] uuid, ARGV[4] queue, ARGV[5] payload, ARGV[6] priority, ARGV[7] wish,
-- a delay of 0, ARGV[9] ttl, ARGV[10] status_ttl; its tail is empty
-- Returns: 1, or nil if add.lua must do it
-- Needs: dedup_window wakeups
-- Rarely: pushes
local request, uuid, queue, priority, wish = ARGV[2], ARGV[3], ARGV[4], ARGV[6], ARGV[7]
local ttl, status_ttl, tail = ARGV[9], ARGV[10], ''
if call('HEXISTS', MESSAGES, uuid) == 1 then return false end
for half = HALF - WINDOW / SPAN, HALF do
  if call('HEXISTS', P .. 'finished:' .. half, uuid) == 1 then return false end
end
local set = P .. 'ready:' .. wish .. ':' .. queue
local lists = token_lists(wish, queue)
local there = call('EXISTS', set, unpack(lists))
local place = string.format('%013d', call('HINCRBY', COUNTERS, 'arrival', '1'))
commit()
local arrival, expiry = string.match(place, '^0*(%d+)'), ttl == '0' and '0' or int(NOW + ttl)
local record = @new_header@ .. ARGV[5]
-- If the ready set is new: a worker that sleeps is given the message; else the set is added to its index, and wakes one worker of
-- each kind that may take the message.
local new = there <= #lists
if new and call('EXISTS', P .. 'sleeping') == 1 and rarely().push(uuid, queue, record, arrival, status_ttl, lists) then
  return 1
end
if new and not call('ZADD', P .. 'ready:' .. wish, '0', queue) then return false end
if not call('ZADD', set, priority, place .. uuid) then return false end
call('HSET', MESSAGES, uuid, record)
call('HINCRBY', QUEUES, queue, '1')
if status_ttl ~= '0' then
  local name, status = P .. 'statuses:' .. uuid, '@SUBMITTED@|' .. int(NOW) .. '|'
  if status_ttl == '-1' then call('SET', name, status) else call('SET', name, status, 'PX', status_ttl) end
  try('PUBLISH', C .. 'statuses:' .. uuid, status)
end
if new then wake(lists, true) end
return 1
