-- In the partitions of a cluster: wakes a worker that sleeps by subscription, in place of a token. The loader puts this before
-- shared/wakeups.lua there. hearers:<list> is a sorted set of sleepers for each list of tokens, by when they began to hear;
-- `hears:<sleeper>` is there while one is to be told on its channel. It expires, unless hear.lua renews it.

-- Whether a sleeper was told that this list would have a token.
local function told(list)
  local set = P .. 'hearers:' .. string.sub(list, #P + 1)
  while true do
    local sleeper = try('ZRANGE', set, '0', '0')[1]
    if not sleeper then return false end
    local mark, receivers = P .. 'hears:' .. sleeper, 0
    if call('EXISTS', mark) == 1 then
      receivers = try('SPUBLISH', C .. 'told:' .. sleeper, '')
      -- This user may not publish. The sleeper finds the token when it renews its mark (hear.lua answers 2 then).
      if type(receivers) ~= 'number' then return false end
      call('DEL', mark)
    end
    local is_out = call('ZREM', set, sleeper) == 1
    if receivers > 0 then return true end
    if not is_out then return false end
  end
end
