-- Extend the lease of a worker, and give back the messages of steps whose reply did not reach it: those that it holds from
-- its last step or before, and doesn't know of. If it has slept for very long, it seems to be stopped: then also those that it was pushed.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its lease, ARGV[4] its last step, ARGV[5] its dlq_ttl, from ARGV[6] on the tokens of the claims
-- that it knows of; then what it runs now, as a JSON array, if it tells
-- Returns: nil for an unknown worker, else the uuids of revoked messages among those held
-- Needs: claim_header dead_letter_expiry effects first_due heartbeat leases leave_claimed
-- Rarely: end_message give_back sleepers
-- With groups: groups
-- With schedules: schedule_offers
-- Flags: allow-oom
local worker, claims, last = ARGV[2], KEYS[6], tonumber(ARGV[4])
if not call('ZSCORE', WORKERS, worker) then return false end
local held = call('HGETALL', claims)
read_first_due()
heartbeat(tonumber(ARGV[3]))
extend_lease(worker, ARGV[3])

local known, given_back, revoked = {}, {}, {}
local running = string.byte(ARGV[#ARGV]) == 91 and ARGV[#ARGV]
if running == '[]' then call('HDEL', P .. 'running', worker) elseif running then call('HSET', P .. 'running', worker, running) end
for i = 6, running and #ARGV - 1 or #ARGV do known[tonumber(ARGV[i])] = true end
for i = 1, #held, 2 do
  local uuid = held[i]
  local token, seq, flags, h = parse_claim(held[i + 1])
  local pushed_to = h and seq > last and not known[token] and rarely().sleeper_of(worker)
  local stale = pushed_to and tonumber(pushed_to.seq) == seq and tonumber(pushed_to.since) + @stale_push_ms@ <= NOW
  if h and not known[token] and (seq <= last or stale) then
    given_back[#given_back + 1] = uuid
    rarely().give_back(uuid, h, flags, 0, @SUBMITTED@, ARGV[5])
  elseif h and (h.revoked == '1' or h.tail ~= '' and string.find(h.tail, ';g=', 1, true) and rarely().with_groups().is_dropped(h.tail)) then
    revoked[#revoked + 1] = uuid
  end
end
if given_back[1] then
  leave_claimed(claims, given_back)
  rarely().write_ends()
end
apply_effects()
remove_some_expired_letters(5)
-- A worker of 0.1.0 takes out of the delayed messages what tells when the first offer is.
if call('EXISTS', P .. 'offers') == 1 and not call('ZSCORE', DELAYED, 'schedules') then
  rarely().with_schedules().note_first_offer()
  rarely().with_schedules().wake_firing()
end
return revoked
