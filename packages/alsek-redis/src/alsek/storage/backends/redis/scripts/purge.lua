-- Delete one dead letter, or up to a thousand of a queue.
-- ARGV[2] queue, ARGV[3] uuid, or '' for any
-- Returns: how many were deleted, and how many uuids were looked at: 0 if no letter is left
-- Needs: dead_letter_check dead_letter_expiry dead_letter_lookup dead_letter_removal
-- With reports: report_ends
-- Flags: allow-oom
local queue, count = ARGV[2], 0
check_dead_letter_lists(queue)
commit()
remove_expired_letters(queue)
local doomed = ARGV[3] ~= '' and { ARGV[3] } or call('ZRANGE', P .. 'dead:' .. queue, 0, 999)
for _, uuid in ipairs(doomed) do
  if letter_exists(uuid, queue) then
    count = count + 1
    if call('EXISTS', P .. 'reports:' .. uuid) == 1 then rarely().with_reports().delete_report_of_letter(uuid) end
  end
  delete_letter(uuid, queue)
end
return { count, #doomed }
