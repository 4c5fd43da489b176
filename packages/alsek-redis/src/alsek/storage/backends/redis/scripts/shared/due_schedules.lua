-- Offers schedules that are due.
-- ARGV[2] the worker
-- Needs: bulk schedule_offers

local function due_offers()
  return call('ZRANGEBYSCORE', OFFERS, '-inf', int(NOW), 'LIMIT', 0, @promotion_batch@)
end

-- Offer what is due to this worker, at most a batch; nil if it fires none. None of these is offered again for a while.
local function offer_due_ones()
  if not fires(ARGV[2]) then return nil end
  local due, entries = due_offers(), {}
  if not due[1] and not faults[OFFERS] then
    write_offers_again()
    due = due_offers()
  end
  for n, name in ipairs(due) do entries[2 * n - 1], entries[2 * n] = int(NOW + @schedule_offer@), name end
  bulk('ZADD', OFFERS, entries)
  note_first_offer()
  return due[1] and due
end

-- In how many milliseconds this worker looks again if schedules are due: at once; if it fires none, when the next one will be, but
-- after a while at the latest.
local function pause_before_offers()
  if fires(ARGV[2]) then return 0 end
  local later = call('ZRANGEBYSCORE', OFFERS, '(' .. int(NOW), '+inf', 'WITHSCORES', 'LIMIT', '0', '1')[2]
  return math.min(later and later - NOW or @schedule_offer@, @schedule_offer@)
end
