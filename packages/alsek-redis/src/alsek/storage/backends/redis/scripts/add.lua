-- Store new messages, ready or delayed, and wake one sleeping worker of each kind that may take them.
-- A uuid is new if no message of it is stored in any queue and none finished within the window. A submission that was
-- accepted under the same request before is accepted again, and nothing is written.
-- ARGV[2] request; from ARGV[3] on 9 a submission, each with another uuid
-- Returns: for each 1 if it was accepted, else the state that the existing message has then: 'delayed', 'ready', 'claimed',
--   'finished' (it is no longer stored), or 0 if its record can't be read; {1, uuid} if it has taken the place of that
--   message; {0, uuid, state} if that message holds its unique key
-- Needs: effects first_due header known_uuids submissions
-- Rarely: end_message lookup
local starts, uuids = {}, {}
for i = 3, #ARGV, 9 do starts[#starts + 1], uuids[#uuids + 1] = i, ARGV[i] end
for _, i in ipairs(starts) do
  if ARGV[i + 5] ~= '0' or ARGV[i + 8] ~= '' then read_first_due() break end
end
local known, removed = requests_of(uuids)
local answers = submit(starts, ARGV[2], known, removed)
apply_effects()
for n, answer in ipairs(answers) do
  local holder = type(answer) == 'table' and answer[1] == 0 and answer[2]
  if answer == 0 or holder then
    local uuid = holder or uuids[n]
    local record = call('HGET', MESSAGES, uuid)
    -- Without the delayed messages nothing tells in which state it is.
    local h = record and type(try('ZCARD', DELAYED)) == 'number' and parse(record)
    local state = h and rarely().state_of(uuid, h) or (record and 0 or 'finished')
    if holder then answer[3] = state else answers[n] = state end
  end
end
if unplaced[1] then
  for _, new in ipairs(unplaced) do
    local h = rarely().lookup(new[1], new[2])
    rarely().end_message(new[1], new[2], 'unplaced', nil, h and h.tail)
  end
  rarely().write_ends()
  apply_effects()
  return redis.error_reply('ALSEK WRONGTYPE: ' .. DELAYED .. ' and the ready messages of ' .. unplaced[1][2] ..
    ' were both overwritten by another program')
end
return answers
