-- Checks that this user may use all commands of the script, before anything is written. It runs when a process first runs
-- the script. COMMANDS are its commands. Alsek needs the whole namespace, so each is checked with a key of every kind.
local NAMES = { 'messages', 'queues', 'delayed', 'workers', 'leases', 'counters', 'ready:a', 'ready:a:q', 'suspects:a',
  'suspects:a:q', 'finished:1', 'claims:w', 'calls:w', 'retired:w', 'wake:thread:q', 'wakes:thread', 'results:u',
  'descendants:u', 'statuses:u', 'letters:u\nq', 'dead:q', 'fading:q', 'dead', 'locks:l', 'paused', 'aside', 'aside:t\na:q',
  'suspects-aside:t\na:q', 'facts', 'tasks:w', 'running', 'gone', 'history:1', 'values:v',
  'moves', 'group:g', 'members:g', 'nested:g', 'unreachable:u', 'unique:k', 'followed',
  'limit:c:l', 'limits', 'admitted:c:l', 'starts:r:l', 'waiting:c:l', 'waiting', 'waits', 'line:c:l', 'lines',
  'schedules', 'offers', 'reports:u', 'log:u', 'sleeping', 'sleepers:wakes:thread',
  'hears:w', 'hearers:wakes:thread' }
local function denied(command, name)
  return redis.error_reply('ALSEK RIGHTS ' .. command .. ' ' .. P .. name)
end
if redis.acl_check_cmd then
  for _, command in ipairs(COMMANDS) do
    for _, name in ipairs(NAMES) do
      if not redis.acl_check_cmd(command, P .. name) then return denied(command, name) end
    end
  end
else
  -- Before Redis 7 a command must be tried: in a form that only reads, that finds nothing to do, or whose arguments the
  -- server refuses after it has checked the rights. Those that need memory come first: at maxmemory the others are skipped.
  local FIRST_READ, HARMLESS = 17, {
    { 'HSET', 'f', 'v', 'f' }, { 'HSETNX', 'f', 'v' }, { 'HINCRBY', 'f', 'x' }, { 'ZADD', 'x', 'm' }, { 'SET', 'v', 'x' }, { 'RPUSH', 'v' },
    { 'SADD', 'v' },
    { 'DEL' }, { 'HDEL', 'f' }, { 'ZREM', 'm' }, { 'SREM', 'm' }, { 'PEXPIRE', '1' }, { 'PERSIST' },
    { 'ZREMRANGEBYRANK', '0', '0' }, { 'ZREMRANGEBYSCORE', '1', '0' }, { 'LTRIM', '0', '-1' },
    { 'EXISTS' }, { 'GET' }, { 'HGET', 'f' }, { 'HMGET', 'f' }, { 'HGETALL' }, { 'HEXISTS', 'f' }, { 'HLEN' },
    { 'HSCAN', '0' }, { 'ZSCORE', 'm' }, { 'ZRANGE', '0', '0' }, { 'ZRANGEBYSCORE', '0', '0' },
    { 'ZRANGEBYLEX', '-', '+' }, { 'ZCARD' }, { 'ZCOUNT', '0', '0' }, { 'ZRANDMEMBER' }, { 'SCARD' }, { 'SMEMBERS' },
    { 'SRANDMEMBER' }, { 'SISMEMBER', 'm' }, { 'HRANDFIELD', '1' }, { 'SINTER' }, { 'SMISMEMBER', 'm' },
    { 'ZMSCORE', 'm' }, { 'PTTL' }, { 'GETRANGE', '0', '0' }, { 'LRANGE', '0', '0' }, { 'LLEN' },
  }
  local uses, full = {}, false
  for _, command in ipairs(COMMANDS) do uses[command] = true end
  for n, form in ipairs(HARMLESS) do
    for _, name in ipairs(n >= FIRST_READ and NAMES or not full and { 'none' } or {}) do
      local answer = uses[form[1]] and redis.pcall(form[1], P .. name, unpack(form, 2))
      local fault = type(answer) == 'table' and answer.err or ''
      if string.find(fault, "The user executing the script can't", 1, true) then return denied(form[1], name) end
      full = full or string.find(fault, 'OOM ', 1, true)
    end
  end
  if not full then redis.pcall('DEL', P .. 'none') end
end
