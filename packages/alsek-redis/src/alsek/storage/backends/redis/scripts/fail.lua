-- Move a message to the dead letters, whichever worker holds it; a claim on it ends.
-- ARGV[2] queue, ARGV[3] uuid, ARGV[4] dlq_ttl, ARGV[5] error; if there are any, ARGV[6] the uuids of the callbacks that will not
-- be submitted, with line feeds between them, or '', and from ARGV[7] on its failure callback: a submission
-- Returns: 1, also if it is a dead letter already; 0 if there is neither such a message nor such a letter
-- Needs: dead_letter_check dead_letter_lookup dead_letters detach effects end_message lookup status
-- With groups: submissions unreachable
-- Flags: allow-oom
local queue, uuid = ARGV[2], ARGV[3]
local h, record = lookup(uuid, queue)
if not h then return letter_exists(uuid, queue) and 1 or 0 end
local place = locate(uuid, h)
check_dead_letter_lists(queue)
commit()
detach(uuid, h, place)
end_message(uuid, queue, 'failed_by_hand', h.request, h.tail, h.status_ttl, ARGV[5], false, ARGV[4])
write_ends()
write_status(uuid, @FAILED@, h.status_ttl)
dead_letter(uuid, queue, string.sub(record, h.body), ARGV[5], ARGV[4], h.tail)
if ARGV[6] then rarely().with_groups().note_unreachable(ARGV[6], uuid) end
if ARGV[7] then rarely().with_groups().submit({ 7 }) end
apply_effects()
return 1
