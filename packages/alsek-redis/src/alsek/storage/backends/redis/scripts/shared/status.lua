-- Writing and publishing statuses. Who may not publish writes all the same: a note is only a hint.
local STAMP = '|' .. int(NOW) .. '|'
local SUBMITTED, RUNNING, RETRYING, FAILED, SUCCEEDED = @SUBMITTED@, @RUNNING@, @RETRYING@, @FAILED@, @SUCCEEDED@

-- Keep `value` for `ttl` ms (text): '-1' for ever.
local function set_for(key, value, ttl)
  if ttl == '-1' then
    call('SET', key, value)
  else
    call('SET', key, value, 'PX', ttl == '0' and '1' or ttl)
  end
end

-- An index lives as long as the longest-lived thing in it. `left` is its PTTL before something that lives for `ttl`
-- (text) was put into it.
local function extend_index(index, left, ttl)
  if ttl == '-1' then
    call('PERSIST', index)
  elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
    call('PEXPIRE', index, ttl)
  end
end

-- A ttl of '0' is that of a message that is not tracked.
local function write_status(uuid, code, ttl)
  if ttl == '0' then return end
  local name, packed = P .. 'statuses:' .. uuid, code .. STAMP
  set_for(name, packed, ttl)
  try('PUBLISH', C .. 'statuses:' .. uuid, packed)
end

-- Whoever waits for the result of this message has it in the note, if it is small, or must look again.
local function publish_result(uuid, record)
  try('PUBLISH', C .. 'results:' .. uuid, record and #record <= @max_published_result@ and record or '')
end
