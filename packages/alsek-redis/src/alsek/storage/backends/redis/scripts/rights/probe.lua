-- Tells what this user may not do, and does nothing.
-- KEYS[1] the messages
-- ARGV[1] a channel, then commands that take a key first, an empty text, and commands that may stand alone
-- Returns: nil before Redis 7, else {1 if it may read the key, 1 if subscribe, 1 if publish, and then the commands that it
-- may not use}
local check = redis.acl_check_cmd
if not check then return false end
local function may(...)
  return check(...) and 1 or 0
end
-- A command is never checked without the arguments that say which are its keys: the server would look for them.
local answer = { may('EXISTS', KEYS[1]), may('SUBSCRIBE', ARGV[1]), may('PUBLISH', ARGV[1], '') }
local keyed = true
for i = 2, #ARGV do
  local command, allowed = ARGV[i]
  if command == '' then
    keyed = false
  elseif command == 'EVALSHA' then
    allowed = may(command, '', '1', KEYS[1])
  elseif command == 'BLPOP' then
    allowed = may(command, KEYS[1], '1')
  elseif keyed then
    allowed = may(command, KEYS[1])
  else
    allowed = may(command)
  end
  if allowed == 0 then answer[#answer + 1] = command end
end
return answer
