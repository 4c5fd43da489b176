-- Submit the messages of a tick, as add.lua, and go on to the next tick. Done only if the schedule stands at this tick, under
-- this revision, and is not paused; so a repetition changes nothing.
-- ARGV[2] request, ARGV[3] name, ARGV[4] revision, ARGV[5] tick, ARGV[6] next_at or '', ARGV[7] last_at, or '' to leave it,
-- ARGV[8] the uuid of the last submission, or ''; from ARGV[9] on 9 a submission, each with another uuid
-- Returns: nil if nothing was done, else for each submission as add.lua
-- Needs: effects first_due known_uuids schedule_offers schedule_records submissions
-- With keys: binding
local request, name = ARGV[2], ARGV[3]
local s = read_schedule(name)
if not s or s.revision ~= ARGV[4] or s.next_at ~= ARGV[5] or s.paused_by ~= '' then return false end
local before, starts, uuids, states = first_offer(), {}, {}, {}
for i = 9, #ARGV, 9 do starts[#starts + 1], uuids[#uuids + 1] = i, ARGV[i] end
read_first_due()
local known, removed, answers = {}, {}, {}
if uuids[1] then known, removed = requests_of(uuids) end
for n, uuid in ipairs(uuids) do
  if known[uuid] and known[uuid] ~= request and not removed[uuid] then states[n] = rarely().with_keys().state_now(uuid) end
end
if uuids[1] then answers = submit(starts, request, known, removed) end
commit()
s.next_at = ARGV[6]
if ARGV[7] ~= '' then s.last_at = ARGV[7] end
if ARGV[7] ~= '' and ARGV[8] ~= '' then s.last_uuid = ARGV[8] end
write_schedule(name, s)
set_offer(name, s.next_at, before, true)
apply_effects()
for n, answer in pairs(answers) do
  if type(answer) == 'table' and answer[1] == 0 then
    answer[3] = rarely().with_keys().state_now(answer[2])
  elseif answer == 0 then
    answers[n] = states[n] or 0
  end
end
return answers
