-- Store new messages, ready or delayed, and wake one sleeper of each kind that may take them.
--
-- A uuid is new if no message of it is stored in any queue and none finished within the window. One that was
-- taken in under the same request is accepted again and nothing is written.
-- ARGV[2] request; from ARGV[3] on 8 a submission
-- Returns: 1 or 0 for each
-- Needs: effects submissions
local starts = {}
for i = 3, #ARGV, 8 do starts[#starts + 1] = i end
for _, i in ipairs(starts) do
  if ARGV[i + 5] ~= '0' then read_first_due() break end
end
local answers = submit(starts, ARGV[2])
apply_effects()
for _, new in ipairs(unplaced) do
  call('HDEL', MESSAGES, new[1])
  add_to_count(new[2], -1)
end
apply_effects()
if unplaced[1] then return redis.error_reply('ALSEK WRONGTYPE: ' .. DELAYED .. ' and the ready messages of ' ..
  unplaced[1][2] .. ' were both overwritten by somebody') end
return answers
