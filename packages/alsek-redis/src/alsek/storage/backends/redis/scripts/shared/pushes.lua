-- Pushes a new message to a sleeping worker: it is claimed for the worker, and sent to it.
-- Needs: sleepers status
local TRIES = 3

-- The workers that have slept longest on these lists of tokens, and in which sorted set each stands.
local function first_sleepers(lists)
  local found = {}
  for _, list in ipairs(lists) do
    local set, kind = SLEEPERS .. string.sub(list, #P + 1), string.match(list, 'wakes?:([%a-]+)', #P)
    local first = try('ZRANGE', set, '0', int(TRIES - 1), 'WITHSCORES')
    for i = 1, #first, 2 do found[#found + 1] = { worker = first[i], at = tonumber(first[i + 1]), set = set, kind = kind } end
  end
  table.sort(found, function(a, b) return a.at < b.at end)
  return found
end

-- Whether anything is ready that this sleeper may take into such slots. While a queue is paused, or a message is set aside, that is not looked for.
local function has_work(sleeper, slot)
  local keys = { P .. 'paused', P .. 'aside' }
  for _, wish in ipairs(@wishes_of_sleeper@[slot]) do
    for _, index in ipairs({ P .. 'ready:' .. wish, P .. 'suspects:' .. wish }) do
      if sleeper.queues == '' then keys[#keys + 1] = index end
      for queue in string.gmatch(sleeper.queues, '[^\n]+') do keys[#keys + 1] = index .. ':' .. queue end
    end
  end
  return call('EXISTS', unpack(keys)) > 0
end

-- Claim a message for this worker and send it, or change nothing. The claim is ended again if the worker does not listen.
local function is_sent(uuid, record, worker, sleeper)
  local claims, head, token = P .. 'claims:' .. worker, string.match(record, '^[^\n]*\n'), call('HINCRBY', COUNTERS, 'token', '1')
  token = token and int(token)
  if not token or not call('HSET', claims, uuid, token .. '|' .. sleeper.seq .. '|0|' .. head) then return false end
  local text = sleeper.seq .. '\n' .. token .. '\n' .. uuid .. '\n' .. record
  local receivers = try('PUBLISH', C .. 'pushes:' .. worker, text)
  if type(receivers) == 'number' and receivers > 0 then return true end
  call('HDEL', claims, uuid)
  return false
end

-- Push a new message, whose record is stored, to the first sleeper that would claim it next. Answers whether it has; if not, nothing has changed.
local function push(uuid, queue, record, arrival, status_ttl, lists)
  if #record > @max_pushed_record@ then return false end
  for n, found in ipairs(first_sleepers(lists)) do
    local worker, sleeper = found.worker, sleeper_of(found.worker)
    if n > TRIES then return false end
    local lease_end, slot = tonumber(call('ZSCORE', WORKERS, worker) or 0), sleeper and slot_for(sleeper, found.kind)
    if not sleeper or sleeper.room[slot] < 1 then
      call('ZREM', found.set, worker)
    elseif lease_end == 0 then
      -- A worker of 0.1.0 has taken it over, and left what was noted: nobody would ever give back what it is pushed.
      end_sleep(worker, sleeper)
    elseif lease_end <= NOW or sleeper.since + @sleeper_ms@ < NOW then
      leave_no_room(worker, sleeper)
    elseif not has_work(sleeper, slot) then
      if is_sent(uuid, record, worker, sleeper) then
        call('HINCRBY', QUEUES, queue, '1')
        if status_ttl ~= '0' then try('PUBLISH', C .. 'statuses:' .. uuid, '@SUBMITTED@' .. STAMP) end
        write_status(uuid, @RUNNING@, status_ttl)
        sleeper.pushes = sleeper.pushes + 1
        sleeper.room[slot] = sleeper.room[slot] - 1
        note_sleeper(worker, sleeper, arrival)
        return true
      end
      leave_no_room(worker, sleeper)
    end
  end
  return false
end
