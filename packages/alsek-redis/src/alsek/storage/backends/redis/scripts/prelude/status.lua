-- Writing and publishing statuses and results.
local SUBMITTED, RUNNING, RETRYING, FAILED, SUCCEEDED = 1, 2, 3, 4, 5

-- Keep `value` for `ttl` ms (text): below zero for ever.
local function keep(key, value, ttl)
  if tonumber(ttl) < 0 then
    call('SET', key, value)
  else
    call('SET', key, value, 'PX', math.max(tonumber(ttl), 1))
  end
end

-- A ttl of '0' is that of a message that is not tracked.
local function status(uuid, code, ttl)
  if ttl == '0' then return end
  local packed = code .. '|' .. int(NOW) .. '|'
  keep(P .. 'statuses:' .. uuid, packed, ttl)
  call('PUBLISH', P .. 'statuses:' .. uuid, packed)
end

-- Whoever waits for the result of this message must look again.
local function tell_result(uuid)
  call('PUBLISH', P .. 'results:' .. uuid, '')
end

-- The index lives as long as the longest-lived result in it.
local function result(uuid, payload, ttl, token, progenitor)
  keep(P .. 'results:' .. uuid, int(NOW) .. '|' .. token .. '|' .. payload, ttl)
  if progenitor ~= '' then
    local index = P .. 'descendants:' .. progenitor
    local left = call('PTTL', index)
    call('ZADD', index, call('HINCRBY', COUNTERS, 'write', 1), uuid)
    if tonumber(ttl) < 0 then
      call('PERSIST', index)
    elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
      call('PEXPIRE', index, math.max(tonumber(ttl), 1))
    end
  end
  tell_result(uuid)
end
