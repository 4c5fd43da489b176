-- Report outcomes and claim messages, in one step. The same sequence number again changes nothing.
-- An outcome is accepted only under the token of this worker's current claim; then all that belongs to it is written. The worker's
-- line (field '' of its claims) has the number of its last step, the uuid of a suspect that it must hold alone, and what was refused,
-- skipped and found corrupt, for a repetition. KEYS[6] its claims; ARGV[2] to ARGV[8…] as in shared/ready_sets.lua: worker id, kind, lease ARGV[4], dlq_ttl ARGV[5], suspect policy,
-- queues; then its sequence number, the limit (with counts as in shared/history_counts.lua, if any), and what shared/outcomes.lua
-- and shared/sleeping_steps.lua read
-- Returns: nil for an unknown worker, else flat what was claimed (uuid, token, flags, record), next_due (-1 for none), waiting, and
-- suspects (2 if the worker is a sleeper now). If there is more to tell: that as a list, what was refused, skipped, and corrupt (flat: uuid,
-- queue, reason); and only if workers were lost, messages failed because nobody has their task, or schedules are offered: flat (worker,
-- how many messages it held, its facts), the uuids of those messages, and the names of the schedules
-- Needs: bulk choice claims counts effects end_message first_due heartbeat outcomes promote_if_due ready_sets takeover
-- Rarely: faults history_counts promotion rare_choice repeated_step sleeping_steps slots slots_of_sleepers
-- First in step+sleep and step+slots+sleep: idle_step
-- At once in step+slots: ready_set_order slots
-- At once in step+sleep: sleepers sleeping_steps
-- At once in step+slots+sleep: ready_set_order slots slots_of_sleepers sleepers sleeping_steps
-- Flags: allow-oom
local worker, claims = ARGV[2], KEYS[6]
local seq, limit, outcomes, by_slot, tells, missed = ARGV[AFTER_QUEUES], tonumber(ARGV[AFTER_QUEUES + 1]), AFTER_QUEUES + 2
if not limit then limit, outcomes, by_slot = rarely().read_limits() end
if limit < 0 then limit, tells = rarely().read_sleep(limit) end
if not call('ZSCORE', WORKERS, worker) then return false end
local line, apply = prepare_outcomes(claims, outcomes, ARGV[5])
local last, suspect_held, saved = string.match(line or '0 \n', '^(%d+) ([^\n]*)\n(.*)$')
local refused, skipped, claimed, repeated = {}, {}, {}, last == seq
if tonumber(seq) < tonumber(last) then
  return redis.error_reply('ALSEK step ' .. seq .. ' of worker ' .. worker .. ' came after its step ' .. last)
end
local schedules_due = read_first_due()
heartbeat(tonumber(ARGV[4]))
commit()
if repeated then
  refused, skipped, corrupt, without_worker = rarely().read_answer(saved)
  claimed = rarely().claims_of_step(claims, seq)
else
  refused, skipped = apply()
end

local next_due, offered = promote_if_due(ARGV[5], repeated, schedules_due)
local blocked, new_suspect, picked, entries = false, false, {}, {}
if not repeated then
  if outcomes > AFTER_QUEUES + 2 then rarely().add_counts(outcomes) end
  take_over(worker, ARGV[5])
  write_ends()
  apply_effects()
  if tells then missed, limit = rarely().missed_pushes(limit) end
  limit = missed and by_slot and rarely().lessen_limits(missed) or limit
  aside = aside or entered_aside
  if suspect_held ~= '' and call('HEXISTS', claims, suspect_held) == 0 then suspect_held = '' end
  blocked = limit > 0 and suspect_held ~= ''
  if limit > 0 and not blocked then
    picked = new_picked()
    picked = (paused or aside) and rarely().choose_also_aside(limit, picked) or tells and tried == nil and rarely().choose_after_a_look(limit, picked)
      or choose(limit, picked, next_queue, CLASSES, SUSPECTS)
    claimed, new_suspect = claim(picked, seq, entries)
    if new_suspect and POLICY ~= 'freely' then suspect_held = new_suspect end
  end
  if next(broken) or next(faults) then rarely().report_faults() end
  saved = (refused[1] or skipped[1] or corrupt[1] or without_worker) and
    rarely().saved_answer(refused, skipped, corrupt, without_worker) or ''
  entries[#entries + 1], entries[#entries + 2] = '', seq .. ' ' .. suspect_held .. '\n' .. saved
  bulk('HSET', claims, entries)
  write_ends()
  -- Then what choose() tells of the sets is not all, or will be no longer so.
  if by_slot or paused or aside or group_list[1] or unsettled or groups_noted then picked = {} end
  apply_effects()
  if due_changed then next_due = rarely().time_left() end
end
-- A worker that is blocked by its suspect leaves no tokens: they would wake it itself, again and again.
local any_left = (paused or aside or entered_aside) and rarely().any_open or any_waiting
local waiting = not (picked.drained or faults[COUNTERS]) and (by_slot or any_left)(CLASSES, not blocked, any_left)
if new_suspect and POLICY ~= 'freely' then any_left(SUSPECTS, true) end
local suspects = POLICY ~= 'freely' and not picked.unsuspected and any_left(SUSPECTS) and 1 or 0
local room = (waiting and waiting ~= 0 or suspects ~= 0 or suspect_held ~= '') and 0 or limit - #claimed / 4
if tells and rarely().is_sleeper(seq, repeated, by_slot and @two_slots@ and rarely().room_by_slot(room) or { room }) then suspects = 2 end
if missed then claimed = rarely().claims_of_step(claims, seq) end
local n = #claimed
claimed[n + 1], claimed[n + 2], claimed[n + 3] = next_due, waiting == true and 1 or waiting or 0, suspects
return saved == '' and not (corrupt[1] or taken_over or offered) and claimed or { claimed, refused, skipped, corrupt,
  taken_over or (without_worker or offered) and {}, without_worker or offered and {}, offered }
