-- Comes before all other fragments: names of keys, the clock, the form of records, commands.
-- A record is HEAD .. payload; HEAD is one line that ends with "\n" (no queue has one in its name):
--   version|wish|priority|arrival|losses|expiry|ttl|status_ttl|revoked|request and tail|queue
-- It is declared in header.py of alsek-core; the tail is text, empty for nearly all messages. A claim is token|seq|flags|HEAD
-- (flags: 1 suspect, 2 expired). The loader puts the clock before this, and P: the prefix of every name (ARGV[1]); where
-- a name stands between two at signs, it puts in the value that client/lua_values.py has for it.
-- KEYS[1] messages, KEYS[2] queues, KEYS[3] delayed, KEYS[4] workers, KEYS[5] counters
local MESSAGES, QUEUES, DELAYED, WORKERS, COUNTERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, try = redis.call, redis.pcall
local NOW = now()
-- These capture only what is needed to claim a record, and to end a claim.
local TO_CLAIM = @pattern_to_claim@
local TO_FINISH = @pattern_to_finish@

-- Redis does not undo what a script has written, so a command that fails after the first write must not end it. A script
-- first reads all that it needs, while `call` raises. Then it calls commit(): from there on `call` is attempt(), which notes
-- the error (a key of another type, a counter that is no number) in `faults` and answers as for a missing key, or false.
local faults = {}
local function attempt(...)
  local answer = try(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  local command, key = ...
  local fault = tostring(answer.err)
  -- The server allows no writes at all. It says so at the first one, so nothing has changed: raise the error.
  for _, reason in ipairs({ 'READONLY', 'OOM ', 'MISCONF', 'NOREPLICAS', 'MASTERDOWN' }) do
    if string.find(fault, reason, 1, true) then return redis.call(...) end
  end
  faults[key] = command .. ': ' .. fault
  if command == 'HEXISTS' or command == 'HLEN' then return 0 end
  return string.find(' HMGET HGETALL ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZRANDMEMBER SRANDMEMBER SMEMBERS SINTER HRANDFIELD ', ' ' .. command .. ' ', 1, true)
    and {}
end

-- Reading ends, writing begins.
local function commit()
  call = attempt
end

-- A whole number as text. (tostring() gives 1e+15 for fifteen digits or more, and '%.0f' takes twice as long.)
local function int(number)
  return string.format('%d', number)
end
