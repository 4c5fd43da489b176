-- Pushes a new message to a sleeping worker: it is claimed for the worker, and sent to it.
-- Needs: first_sleepers sleepers status

-- Whether anything is ready that this sleeper may take, of these wishes. While a queue is paused, or a message is set aside, that is not looked for.
local function has_work(sleeper, wishes)
  local keys = { P .. 'paused', P .. 'aside' }
  for wish in string.gmatch(wishes, '%a') do
    local ready, suspects = P .. 'ready:' .. wish, P .. 'suspects:' .. wish
    if sleeper.queues == '' then keys[#keys + 1], keys[#keys + 2] = ready, suspects end
    for queue in string.gmatch(sleeper.queues, '[^\n]+') do
      keys[#keys + 1], keys[#keys + 2] = ready .. ':' .. queue, suspects .. ':' .. queue
    end
  end
  return call('EXISTS', unpack(keys)) > 0
end

-- Claim a message for this sleeper and send it, or change nothing. The claim is ended again if the worker does not listen.
local function is_sent(uuid, record, sleeper)
  local claims, token = P .. 'claims:' .. sleeper.worker, call('HINCRBY', COUNTERS, 'token', '1')
  local head = string.sub(record, 1, string.find(record, '\n', 1, true))
  token = token and int(token)
  if not token or not call('HSET', claims, uuid, token .. '|' .. sleeper.seq .. '|0|' .. head) then return false end
  local receivers = try('PUBLISH', C .. 'pushes:' .. sleeper.worker, sleeper.seq .. '\n' .. token .. '\n' .. uuid .. '\n' .. record)
  if type(receivers) == 'number' and receivers > 0 then return true end
  call('HDEL', claims, uuid)
  return false
end

-- Push a new message, whose record is stored, to the first sleeper that would claim it next; `notes` as in shared/first_sleepers.lua.
-- Answers whether it has; if not, nothing has changed.
local function push(uuid, queue, wish, record, arrival, status_ttl, lists, notes)
  if #record > @max_pushed_record@ then return false end
  for n, found in ipairs(first_sleepers(lists, wish, queue, notes)) do
    if n > TRIES then return false end
    local worker, sleeper = found.worker, found.seq and found or sleeper_of(found.worker)
    local lease_end, room, wishes = tonumber(call('ZSCORE', WORKERS, worker) or 0), nil, nil
    if sleeper then room, wishes = room_for(sleeper, wish) end
    if not room or sleeper[room] < 1 then
      call('ZREM', found.set, worker)
    elseif lease_end == 0 then
      -- A worker of 0.1.0 has taken it over, and left what was noted: nobody would ever give back what it is pushed.
      end_sleep(worker, sleeper)
    elseif lease_end <= NOW or tonumber(sleeper.since) + @sleeper_ms@ < NOW then
      note_sleeper(sleeper, nil)
    elseif not has_work(sleeper, wishes) then
      if is_sent(uuid, record, sleeper) then
        call('HINCRBY', QUEUES, queue, '1')
        if status_ttl ~= '0' then
          try('PUBLISH', C .. 'statuses:' .. uuid, '@SUBMITTED@' .. STAMP)
          write_status(uuid, @RUNNING@, status_ttl)
        end
        sleeper.pushes, sleeper[room] = sleeper.pushes + 1, sleeper[room] - 1
        note_sleeper(sleeper, arrival)
        return true
      end
      note_sleeper(sleeper, nil)
    end
  end
  return false
end
