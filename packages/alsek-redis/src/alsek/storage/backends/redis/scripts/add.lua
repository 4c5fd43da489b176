-- Store new messages, ready or delayed, and wake one sleeper of each kind that may take them.
--
-- A uuid is new if no message of it is stored in any queue and none finished within the window. One that was
-- taken in under the same request, at the same position, is accepted again and nothing is written.
-- ARGV[2] request, ARGV[3] position of the first one in the request; from ARGV[4] on 8 a submission
-- Returns: 1 or 0 for each
-- Needs: base place status submit
local starts, requests = {}, {}
for i = 4, #ARGV, 8 do
  local position = tonumber(ARGV[3]) + #starts
  starts[#starts + 1] = i
  requests[#starts] = position == 0 and ARGV[2] or ARGV[2] .. '.' .. position
end
local answers = submit(starts, requests)
settle()
return answers
