-- Whether things can be taken in.
-- ARGV[2…] 4 for each: kind, uuid or name, and queue, as in move_out.lua; its unique key and ':' before it, or ''
-- Returns: for each '' if it can; 'stored' or 'ended' for a message whose uuid is not new, 'held' if its unique key is
--   not to be had, 'there' for anything else
-- Needs: dead_letter_lookup known_uuids unique_key_record
local uuids, answers = {}, {}
for i = 2, #ARGV, 4 do
  if ARGV[i] == 'm' then uuids[#uuids + 1] = ARGV[i + 1] end
end
local known, removed = {}, {}
if uuids[1] then known, removed = requests_of(uuids) end
for i = 2, #ARGV, 4 do
  local kind, name, queue, key = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local answer = ''
  if kind == 'm' then
    if known[name] and not removed[name] then
      answer = call('HEXISTS', MESSAGES, name) == 1 and 'stored' or 'ended'
    elseif key ~= '' then
      local state = read_key(string.sub(key, 2))
      local is_held = state and state.held and call('HEXISTS', MESSAGES, state.holder) == 1
      if state and (is_held and state.follower ~= '' or not is_held and state.held_until > NOW) then answer = 'held' end
    end
  elseif kind == 'd' and letter_exists(name, queue) or kind == 'r' and call('EXISTS', P .. 'results:' .. name) == 1
    or kind == 's' and call('EXISTS', P .. 'statuses:' .. name) == 1
    or kind == 'v' and call('EXISTS', P .. 'values:' .. name) == 1
    or kind == 't' and call('HEXISTS', P .. 'schedules', name) == 1 then
    answer = 'there'
  end
  answers[#answers + 1] = answer
end
return answers
