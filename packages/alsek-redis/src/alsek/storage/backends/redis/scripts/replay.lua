-- Store the message of a dead letter again, and delete the letter. It does not matter that its uuid has finished.
-- ARGV[2] uuid, ARGV[3] queue; the rest of the submission up to ARGV[10]; ARGV[11] when the letter was written; from ARGV[12] on
-- the uuids of its callbacks, which may be submitted now
-- Returns: 1, also if this letter was replayed before; 0 if there is none, else why it stays: {uuid, 0} of the message of
--   its uuid that is stored, or {uuid, state} of the one that holds its unique key
-- Needs: dead_letter_check dead_letter_lookup dead_letter_removal effects first_due known_uuids submissions
-- With groups: group_expiry groups
-- With keys: binding
-- With reports: report_ends
local uuid, queue = ARGV[2], ARGV[3]
local died_at = letter_exists(uuid, queue) and
  string.match(call('GETRANGE', P .. 'letters:' .. uuid .. '\n' .. queue, '0', '20'), '^%d+')
if died_at ~= ARGV[11] then
  local known = requests_of({ uuid })
  return known[uuid] == @replayed@ and 1 or 0
end
if call('HEXISTS', MESSAGES, uuid) == 1 then return { uuid, 0 } end
check_dead_letter_lists(queue)
read_first_due()
local reported = call('EXISTS', P .. 'reports:' .. uuid) == 1
if reported then ARGV[10] = ';o=1' .. ARGV[10] end
local answer = submit({ 2 }, @replayed@, {})[1]
if answer ~= 1 then return { answer[2], rarely().with_keys().state_now(answer[2]) } end
delete_letter(uuid, queue)
if reported then rarely().with_reports().keep_report(uuid, '-1') end
for n = 12, #ARGV do call('DEL', P .. 'unreachable:' .. ARGV[n]) end
local joined = string.match(ARGV[10], ';j=([^;]*)')
if joined then rarely().with_groups().hold_group(rarely().with_groups().unescaped(joined)) end
apply_effects()
return 1
