-- Store one new message that is ready at once, as add.lua does, in fewer commands. Nearly all submissions are of this kind.
-- All else is left to add.lua, and nothing is left written: a uuid that may not be new, an overwritten ready set or index.
-- ARGV[1] priority|wish|ttl|status_ttl|queue, ARGV[2] request, ARGV[3] uuid, ARGV[4] payload; its delay is 0, its tail empty
-- Returns: 1, or nil if add.lua must do it
-- Keys: messages
-- Needs: dedup_window wakeups
-- Rarely: pushes
local priority, wish, ttl, status_ttl, queue = string.match(ARGV[1], '^(%d+)|(.)|(%d+)|(-?%d+)|(.+)$')
local request, uuid, tail = ARGV[2], ARGV[3], ''
for half = HALF - WINDOW / SPAN, HALF do
  if call('HEXISTS', P .. 'finished:' .. int(half), uuid) == 1 then return false end
end
local set = P .. 'ready:' .. wish .. ':' .. queue
local lists = token_lists(wish, queue)
local there = call('EXISTS', set, unpack(lists))
local arrival = int(call('HINCRBY', COUNTERS, 'arrival', '1'))
local expiry = ttl == '0' and '0' or int(NOW + ttl)
commit()
local record = @new_header@ .. ARGV[4]
if call('HSETNX', MESSAGES, uuid, record) ~= 1 then
  call('HINCRBY', COUNTERS, 'arrival', '-1')
  return false
end
-- If the ready set is new: a worker that sleeps is given the message; else the set is added to its index, and wakes one worker of
-- each kind that may take the message.
local new = there <= #lists
-- Five are asked for because shared/first_sleepers.lua takes four for few.
local sleepers = new and call('HRANDFIELD', P .. 'sleeping', '5', 'WITHVALUES')
if sleepers and sleepers[1] and rarely().push(uuid, queue, wish, record, arrival, status_ttl, lists, sleepers) then return 1 end
if new and not call('ZADD', P .. 'ready:' .. wish, '0', queue) or
  not call('ZADD', set, priority, string.sub('000000000000', #arrival) .. arrival .. uuid) then
  call('HDEL', MESSAGES, uuid)
  return false
end
call('HINCRBY', QUEUES, queue, '1')
if status_ttl ~= '0' then
  local name, status = P .. 'statuses:' .. uuid, '@SUBMITTED@|' .. int(NOW) .. '|'
  if status_ttl == '-1' then call('SET', name, status) else call('SET', name, status, 'PX', status_ttl) end
  try('PUBLISH', C .. 'statuses:' .. uuid, status)
end
if new then wake(lists, true) end
return 1
