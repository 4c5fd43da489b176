-- Accepts or refuses the outcomes that a worker reports. An outcome begins with a letter and its width:
--   F uuid token                                succeeded, with nothing to keep
--   S uuid token result_ttl progenitor result   succeeded, with a result
--   T uuid token delay changes                  to be retried; `changes` of the tail of its header
--   U uuid token delay changes payload          the same, with another payload
--   D uuid token dlq_ttl error                  failed for good
--   V uuid token dlq_ttl error                  the same, because it was revoked
--   R uuid token                                released
--   L uuid token suspect                        lost
--   A uuid token dlq_ttl error task wait        to be set aside for `task`, or failed for good; wait '1': never failed
-- Behind an outcome comes what follows if it is accepted, and, of an A, if it has failed:
--   C and a submission                          its callback
--   G result                                    the result for its group, if no callback was submitted
--   H                                           the same, directly behind an S: its result
--   X uuids                                     with line feeds between them: callbacks that will not be submitted
--   B and a group, as in shared/group_creation.lua: the callback is a group; or a group in it
--   M and a submission                          a member of these groups
-- Between outcomes, and not behind that of the same claim:
--   N uuid token number progress checkpoint keep lines   a report; of the two '', or '=' and the value; lines as in shared/packed.lua
-- Needs: counts end_message fetch leave_claimed outcome_forms result status
-- Rarely: followers rare_outcomes
-- With groups: group_settling
-- With reports: reports_in_steps
-- The uuids of what failed because nobody has its task; nil if there is none.
local without_worker

-- Read the claims for the outcomes from ARGV[first] on; nothing is written yet. Answers the worker's line (field '' of its
-- claims), and a function that applies the outcomes. That function answers the uuids that were refused, those of
-- callbacks that exist already, and the tokens that were accepted.
local function prepare_outcomes(claims, first, dlq_ttl)
  local fields, refused, skipped, accepted_uuids, follows, tokens = { '' }, {}, {}, {}, {}, {}
  local i = first
  while i <= #ARGV do
    if not is_follower(ARGV[i]) then fields[#fields + 1] = ARGV[i + 1] end
    i = i + width_of(ARGV[i])
  end
  local entries = fetch(claims, fields)
  return entries[1], function()
    local n, parent = 1, nil
    i = first
    while i <= #ARGV do
      local kind, uuid = ARGV[i], ARGV[i + 1]
      if is_follower(kind) then
        if kind == 'N' then
          rarely().with_reports().take_in_among_outcomes(claims, i, accepted_uuids, fields, entries, refused, tokens)
        elseif parent then follows[#follows + 1], follows[#follows + 2] = i, parent end
      else
        n = n + 1
        local token, status_ttl, request, tail, queue = string.match(entries[n] or '', TO_FINISH)
        parent = nil
        if token == ARGV[i + 2] and not accepted_uuids[uuid] then
          parent = uuid
          accepted_uuids[uuid] = true
          accepted_uuids[#accepted_uuids + 1] = uuid
          tokens[#tokens + 1] = token
          if kind == 'F' or kind == 'S' then
            end_message(uuid, queue, 'succeeded', request, tail, status_ttl)
            if kind == 'S' then write_result(uuid, ARGV[i + 5], ARGV[i + 3], token, ARGV[i + 4]) end
            write_status(uuid, @SUCCEEDED@, status_ttl)
          else
            parent = rarely().apply_outcome(kind, uuid, entries[n], i, dlq_ttl)
          end
        else
          refused[#refused + 1] = uuid
        end
      end
      i = i + width_of(kind)
    end
    leave_claimed(claims, accepted_uuids)
    write_ends()
    if follows[1] then skipped = rarely().follow(follows) end
    if groups_noted then rarely().with_groups().settle_groups() end
    return refused, skipped, tokens
  end
end
