-- Let a sleeper be told from now on when there is a token for it (clusters/told.lua), unless there is one: then it is woken
-- at once, as by BLPOP. A sleeper that was told is told no more until it says so again.
-- ARGV[2] sleeper, from ARGV[3] on the lists of tokens that it waits for
-- Returns: 0 if it will be told; 1 if there was a token; 2 if there was one though it was to be told: who has left it can't publish
-- Flags: allow-oom
local FULL_EVERY, FULL_LASTS, HEARS = 30000, 120000, '10000'
local sleeper, mark, lists = ARGV[2], P .. 'hears:' .. ARGV[2], {}
for i = 3, #ARGV do lists[#lists + 1] = ARGV[i] end
local since, tokens = call('GET', mark), call('EXISTS', unpack(lists))
commit()
if tokens > 0 then
  call('DEL', mark)
  for _, list in ipairs(lists) do
    if call('DEL', list) == 1 then break end
  end
  return since and 2 or 1
end
-- A mark is renewed often, the sets seldom: those who are long dead leave them then.
if NOW - (tonumber(since or 0) or 0) > FULL_EVERY then
  since = int(NOW)
  for _, list in ipairs(lists) do
    local set = P .. 'hearers:' .. string.sub(list, #P + 1)
    call('ZADD', set, since, sleeper)
    call('ZREMRANGEBYSCORE', set, '-inf', int(NOW - FULL_LASTS))
    call('PEXPIRE', set, FULL_LASTS)
  end
end
call('SET', mark, since, 'PX', HEARS)
return 0
