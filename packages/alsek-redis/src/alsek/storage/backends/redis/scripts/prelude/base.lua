-- Names, the clock, and what every record begins with.
--
-- A record is HEAD .. payload; HEAD is one line that ends with "\n" (no queue has one in its name):
--   1|wish|priority|arrival|losses|expiry|ttl|status_ttl|revoked|request|queue
-- A claim is token|seq|flags|HEAD (flags: 1 suspect, 2 expired). The loader puts the
-- clock before this, and P: the prefix of every name (ARGV[1]).
-- KEYS[1] messages, KEYS[2] queues, KEYS[3] delayed, KEYS[4] workers, KEYS[5] counters
local MESSAGES, QUEUES, DELAYED, WORKERS, COUNTERS = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local call = redis.call
local NOW = now()
-- Only what it takes to hand out a record, and to finish a claim.
local TO_CLAIM = '^1|[atp]|%d+|%d+|%d+|(%d+)|%d+|(%-?%d+)|[01]|[^|]*|[^\n]+\n()'
local TO_FINISH = '^(%d+)|%d+|%d|1|[atp]|%d+|%d+|%d+|%d+|%d+|(%-?%d+)|[01]|([^|]*)|([^\n]+)\n$'

-- Whole numbers as text: tostring() turns to 1e+15 from fifteen digits on, and '%.0f' takes twice as long.
local function int(number)
  return string.format('%d', number)
end

-- A command of any number of arguments, in pieces that Lua's stack can take (an even number each).
local function bulk(command, key, list)
  for i = 1, #list, 1000 do
    call(command, key, unpack(list, i, math.min(i + 999, #list)))
  end
end

-- HMGET of any number of fields.
local function fetch(key, fields)
  if #fields <= 1000 then return call('HMGET', key, unpack(fields)) end
  local values = {}
  for i = 1, #fields, 1000 do
    for n, value in ipairs(call('HMGET', key, unpack(fields, i, math.min(i + 999, #fields)))) do
      values[i + n - 1] = value
    end
  end
  return values
end
