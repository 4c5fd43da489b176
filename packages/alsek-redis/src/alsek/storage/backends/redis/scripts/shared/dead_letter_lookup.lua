-- Reading dead letters: letters:<uuid>\n<queue> is died_at|length of the error|error, then the payload, and expires
-- by itself; dead:<queue> has their order, fading:<queue> their expiries.

-- A letter that could not be put on its queue's lists, since somebody had overwritten them, is a letter all the same.
local function letter_exists(uuid, queue)
  local expiry = try('ZSCORE', P .. 'fading:' .. queue, uuid)
  if type(expiry) ~= 'string' then return call('EXISTS', P .. 'letters:' .. uuid .. '\n' .. queue) == 1 end
  return expiry == 'inf' or tonumber(expiry) > NOW
end
