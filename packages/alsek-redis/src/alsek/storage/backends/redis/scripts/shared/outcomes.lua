-- Accepts or refuses the outcomes that a worker reports. An outcome begins with a letter and its width:
--   F uuid token                                succeeded, with nothing to keep
--   S uuid token result_ttl progenitor result   succeeded, with a result
--   T uuid token delay changes                  to be retried; `changes` of the tail of its header
--   U uuid token delay changes payload          the same, with another payload
--   D uuid token dlq_ttl error                  failed for good
--   R uuid token                                released
--   L uuid token suspect                        lost
--   A uuid token dlq_ttl error task wait        to be set aside for `task`, or failed for good; wait '1': never failed
--   C and a submission                          the callback of the outcome before it
-- Needs: end_message fetch leave_claimed result status
-- Rarely: rare_outcomes submissions
local WIDTH = { F = 3, S = 6, T = 5, U = 6, D = 5, R = 3, L = 4, A = 7, C = 10 }
-- The uuids of what failed because nobody has its task; nil if there is none.
local without_worker

-- Read the claims for the outcomes from ARGV[first] on; nothing is written yet. Answers the worker's line (field '' of its
-- claims), and a function that applies the outcomes. That function answers the uuids that were refused, those of
-- callbacks that exist already, and the tokens that were accepted.
local function prepare_outcomes(claims, first, dlq_ttl)
  local fields, refused, skipped, accepted_uuids, starts, tokens = { '' }, {}, {}, {}, {}, {}
  local i = first
  while i <= #ARGV do
    if ARGV[i] ~= 'C' then fields[#fields + 1] = ARGV[i + 1] end
    i = i + WIDTH[ARGV[i]]
  end
  local entries = fetch(claims, fields)
  return entries[1], function()
    local n, accepted = 1, false
    i = first
    while i <= #ARGV do
      local kind, uuid = ARGV[i], ARGV[i + 1]
      if kind == 'C' then
        if accepted then starts[#starts + 1] = i + 1 end
      else
        n = n + 1
        local token, status_ttl, request, tail, queue = string.match(entries[n] or '', TO_FINISH)
        accepted = token == ARGV[i + 2] and not accepted_uuids[uuid]
        if accepted then
          accepted_uuids[uuid] = true
          accepted_uuids[#accepted_uuids + 1] = uuid
          tokens[#tokens + 1] = token
          if kind == 'F' or kind == 'S' then
            end_message(uuid, queue, 'succeeded', request, tail)
            if kind == 'S' then write_result(uuid, ARGV[i + 5], ARGV[i + 3], token, ARGV[i + 4]) end
            write_status(uuid, SUCCEEDED, status_ttl)
          else
            rarely().apply_outcome(kind, uuid, entries[n], i, dlq_ttl)
          end
        else
          refused[#refused + 1] = uuid
        end
      end
      i = i + WIDTH[kind]
    end
    leave_claimed(claims, accepted_uuids)
    write_ends()
    if starts[1] then
      for k, answer in ipairs(rarely().submit(starts)) do
        if answer == 0 then skipped[#skipped + 1] = ARGV[starts[k]] end
      end
    end
    return refused, skipped, tokens
  end
end
