-- Names, the clock, and what every record begins with.
--
-- A record is HEAD .. payload; HEAD is one line that ends with "\n" (no queue has one in its name):
--   version|wish|priority|arrival|losses|expiry|ttl|status_ttl|revoked|request and tail|queue
-- It is declared in header.py of alsek-core; the tail is text that no script reads. A claim is token|seq|flags|HEAD
-- (flags: 1 suspect, 2 expired). The loader puts the clock before this, and P: the prefix of every name (ARGV[1]); where
-- a name stands between two at signs, it puts in the value that client/lua_values.py has for it.
-- KEYS[1] messages, KEYS[2] queues, KEYS[3] delayed, KEYS[4] workers, KEYS[5] counters
local MESSAGES, QUEUES, DELAYED, WORKERS, COUNTERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call, try = redis.call, redis.pcall
local NOW = now()
-- Only what it takes to hand out a record, and to finish a claim.
local TO_CLAIM = @pattern_to_claim@
local TO_FINISH = @pattern_to_finish@

-- Redis takes nothing back: a command that fails after the first write would leave half a step. So a script reads all
-- that it needs first, while `call` raises; from commit() on, `call` is this, which notes in `faults` what a command can't
-- do (a key of another type, a counter that is no number) and answers as for a key that is not there, or false.
local faults = {}
local function attempt(...)
  local answer = try(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  local command, key = ...
  local fault = tostring(answer.err)
  -- The server allows no writes at all: that is told at the first one, so nothing has changed. Again, and raised.
  for _, reason in ipairs({ 'READONLY', 'OOM ', 'MISCONF', 'NOREPLICAS', 'MASTERDOWN' }) do
    if string.find(fault, reason, 1, true) then return redis.call(...) end
  end
  faults[key] = command .. ': ' .. fault
  if command == 'HEXISTS' or command == 'HLEN' then return 0 end
  return string.find(' HMGET HGETALL ZRANGE ZRANGEBYSCORE ZRANGEBYLEX ZRANDMEMBER SRANDMEMBER ', ' ' .. command .. ' ', 1, true)
    and {}
end

local function commit()
  call = attempt
end

-- Whole numbers as text: tostring() turns to 1e+15 from fifteen digits on, and '%.0f' takes twice as long.
local function int(number)
  return string.format('%d', number)
end
