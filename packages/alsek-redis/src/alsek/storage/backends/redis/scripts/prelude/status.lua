-- Writing and publishing statuses.
local STAMP = '|' .. int(NOW) .. '|'
local SUBMITTED, RUNNING, RETRYING, FAILED, SUCCEEDED = 1, 2, 3, 4, 5

-- Keep `value` for `ttl` ms (text): '-1' for ever.
local function keep(key, value, ttl)
  if ttl == '-1' then
    call('SET', key, value)
  else
    call('SET', key, value, 'PX', ttl == '0' and '1' or ttl)
  end
end

-- A ttl of '0' is that of a message that is not tracked.
local function status(uuid, code, ttl)
  if ttl == '0' then return end
  local name, packed = P .. 'statuses:' .. uuid, code .. STAMP
  keep(name, packed, ttl)
  call('PUBLISH', name, packed)
end

-- Whoever waits for the result of this message has it in the note, if it is small, or must look again.
local function tell_result(uuid, record)
  call('PUBLISH', P .. 'results:' .. uuid, record and #record <= 4096 and record or '')
end
