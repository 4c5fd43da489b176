-- Accept the last outcomes of a worker, give back all else that it holds without a loss, and delete the worker.
-- The tokens that were accepted are kept for the window, so that a repetition after a lost reply gets the same answer.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its dlq_ttl; outcomes from ARGV[4] on
-- Returns: the uuids of the outcomes that were refused: all of them if the worker is unknown
-- Needs: dedup_window effects end_message first_due outcomes
-- Rarely: forget_worker repeated_retirement
-- Flags: allow-oom
local worker = ARGV[2]
local answered = P .. 'retired:' .. worker
local known = call('ZSCORE', WORKERS, worker)
if not known then
  local at, tokens = string.match(call('GET', answered) or '', '^(%d+)|(.*)$')
  return rarely().unaccepted(at and at + WINDOW > NOW and tokens or ' ')
end
local _, apply = prepare_outcomes(KEYS[6], 4, ARGV[3])
read_first_due()
commit()
local refused, _, accepted = apply()
if accepted[1] then
  call('SET', answered, int(NOW) .. '| ' .. table.concat(accepted, ' ') .. ' ', 'PX', WINDOW)
end
rarely().forget_worker(worker, 0, @SUBMITTED@, ARGV[3])
write_ends()
apply_effects()
return refused
