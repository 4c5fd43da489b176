-- Reads dead letters. letters:<uuid>\n<queue> is died_at|length of the error|error, then the payload; if the header has a
-- tail, died_at^tail|… It expires by itself. dead:<queue> has the order of a queue's letters, fading:<queue> their expiries.

-- Whether there is such a letter that has not expired. One that is in no list, because a list was overwritten, counts too.
local function letter_exists(uuid, queue)
  local expiry = try('ZSCORE', P .. 'fading:' .. queue, uuid)
  if type(expiry) ~= 'string' then return call('EXISTS', P .. 'letters:' .. uuid .. '\n' .. queue) == 1 end
  return expiry == 'inf' or tonumber(expiry) > NOW
end
