-- Store new messages, ready or delayed, and wake one sleeper of each kind that may take them.
--
-- A uuid is new if no message of it is stored in any queue and none finished within the window. One that was
-- taken in under the same request is accepted again and nothing is written.
-- ARGV[2] request; from ARGV[3] on 8 a submission
-- Returns: 1 or 0 for each
-- Needs: base window header tokens place put status letters submit
local starts = {}
for i = 3, #ARGV, 8 do starts[#starts + 1] = i end
local answers = submit(starts, ARGV[2])
settle()
return answers
