-- When schedules are offered to workers. `offers` has their names by the time of their next offer. The first of these times is
-- the score of the member 'schedules' of the delayed messages, which no worker removes: so all look there that look at those.
-- ARGV[2] the worker, in a step
-- Needs: bulk schedule_records wakeups
local OFFERS, offers_gone = P .. 'offers', false

-- When the first offer is, as it is written; nil if there is none. Called before the first write.
local function first_offer()
  local many, first = call('ZCARD', OFFERS), tonumber(call('ZSCORE', DELAYED, 'schedules') or '')
  offers_gone = first and many == 0 and not faults[OFFERS]
  return first
end

-- Only that there are some is known, but not of which schedules: another program has removed `offers`.
local function write_offers_again()
  local entries, found = {}, call('HGETALL', SCHEDULES)
  for i = 1, #found, 2 do
    local s = parse_schedule(found[i + 1])
    local due = s and offered_at(s) or ''
    if due ~= '' then entries[#entries + 1], entries[#entries + 2] = due, found[i] end
  end
  bulk('ZADD', OFFERS, entries)
end

-- Write when the first offer is. If another program has overwritten `offers`, that is looked at again in a minute.
local function note_first_offer()
  local first = call('ZRANGE', OFFERS, '0', '0', 'WITHSCORES')[2]
  if faults[OFFERS] then first = int(NOW + 60000) end
  if first then call('ZADD', DELAYED, first, 'schedules') else call('ZREM', DELAYED, 'schedules') end
end

-- Whether a worker fires schedules: it has said so in its facts.
local function fires(worker)
  return string.find(call('HGET', P .. 'facts', worker) or '', '"fires": true', 1, true)
end

-- Wake the workers that fire schedules: all, or only the one whose lease ends last. Which of them sleep is not known.
local function wake_firing(only_one)
  local workers = call('ZRANGE', WORKERS, '0', '-1')
  for n = #workers, 1, -1 do
    if fires(workers[n]) then
      wake({ P .. 'calls:' .. workers[n] }, true)
      if only_one then return end
    end
  end
end

-- The next offer of a schedule is at `due` (text); '' for never. `before` is what first_offer() has answered: workers know of
-- that, so an earlier offer wakes them.
local function set_offer(name, due, before, only_one)
  if offers_gone then write_offers_again() end
  if due == '' then call('ZREM', OFFERS, name) else call('ZADD', OFFERS, due, name) end
  note_first_offer()
  if due ~= '' and (not before or tonumber(due) < before) then wake_firing(only_one) end
end
