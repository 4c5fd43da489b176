-- Accept the last outcomes of a worker, give back uncharged all else that it holds, and forget it.
--
-- The answer is kept for a minute, so that a repetition after a lost reply hears the same.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its dlq_ttl; outcomes from ARGV[4] on
-- Returns: the uuids of the outcomes that were refused: all of them if the worker is unknown
-- Needs: base window tokens place status leave result finish
-- Rarely: header put letters submit return outcomes
-- Flags: allow-oom
local worker = ARGV[2]
local answered = P .. 'retired:' .. worker
local known = call('ZSCORE', WORKERS, worker)
if not known then
  local said = call('GET', answered)
  if said then return cjson.decode(said) end
end
local _, apply = finish(KEYS[6], 4, ARGV[3])
local refused = apply()
if known then
  if refused[1] or ARGV[4] then
    call('SET', answered, cjson.encode(refused), 'PX', 60000)
  end
  rarely().forget(worker, 0, SUBMITTED, ARGV[3])
  settle()
end
return refused
