-- Whether things can be taken in.
-- ARGV[2…] 3 for each: kind, uuid or name, and queue, as in move_out.lua
-- Returns: for each '' if it can; 'stored' or 'ended' for a message whose uuid is not new, 'there' for anything else
-- Needs: dead_letter_lookup submissions
local uuids, answers = {}, {}
for i = 2, #ARGV, 3 do
  if ARGV[i] == 'm' then uuids[#uuids + 1] = ARGV[i + 1] end
end
local known, removed = {}, {}
if uuids[1] then known, removed = requests_of(uuids) end
for i = 2, #ARGV, 3 do
  local kind, name, queue = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local answer = ''
  if kind == 'm' then
    if known[name] and not removed[name] then
      answer = call('HEXISTS', MESSAGES, name) == 1 and 'stored' or 'ended'
    end
  elseif kind == 'd' and letter_exists(name, queue) or kind == 'r' and call('EXISTS', P .. 'results:' .. name) == 1
    or kind == 's' and call('EXISTS', P .. 'statuses:' .. name) == 1
    or kind == 'v' and call('EXISTS', P .. 'values:' .. name) == 1 then
    answer = 'there'
  end
  answers[#answers + 1] = answer
end
return answers
