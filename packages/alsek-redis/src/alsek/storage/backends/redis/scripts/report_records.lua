-- What is kept of the reports on some messages.
-- ARGV[2] '1': with what they have logged; from ARGV[3] on their uuids
-- Returns: for each nil if there is nothing, else {token, number, when it was reported, progress, checkpoint, when it expires
-- (Unix ms; -1 for never), lines}
local answers = {}
for i = 3, #ARGV do
  local key, log = P .. 'reports:' .. ARGV[i], P .. 'log:' .. ARGV[i]
  local kept = try('HMGET', key, 'token', 'number', 'at', 'progress', 'checkpoint')
  local left = kept[1] and kept[2] and kept[3] and call('PTTL', key) or -2
  if left == -2 then
    answers[#answers + 1] = false
  else
    local lines = ARGV[2] == '1' and try('LRANGE', log, '0', '-1') or {}
    kept[6], kept[7] = left == -1 and left or NOW + left, lines.err and {} or lines
    answers[#answers + 1] = kept
  end
end
return answers
