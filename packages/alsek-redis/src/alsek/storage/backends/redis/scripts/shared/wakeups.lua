-- Wakes sleeping workers. A worker sleeps in BLPOP on a few lists; a token on one of them wakes one worker. A list has
-- at most one token.

-- The lists of the workers that may take a message of this wish from this queue. `brief`: tokens that nobody takes expire.
local function token_lists(wish, queue)
  if wish == 'a' then
    return { P .. 'wake:thread:' .. queue, P .. 'wakes:thread', P .. 'wake:process:' .. queue, P .. 'wakes:process' }
  end
  local kind = wish == 't' and 'thread' or wish == 'p' and 'process' or 'thread-async'
  local lists = { P .. 'wake:' .. kind .. ':' .. queue, P .. 'wakes:' .. kind }
  if kind == 'thread-async' then lists.brief = true end
  if wish == 'c' then lists[3], lists[4] = P .. 'wake:process-async:' .. queue, P .. 'wakes:process-async' end
  return lists
end

-- Leave a token on each of these lists that has none. `lacking`: the caller knows that there are such lists.
-- No other function wakes a worker. In the partitions of a cluster the loader puts clusters/told.lua in: there it first looks for
-- a sleeper to tell.
local function wake(lists, lacking)
  if not lacking and call('EXISTS', unpack(lists)) == #lists then return end
  for _, list in ipairs(lists) do
    if call('EXISTS', list) == 0 then
      call('RPUSH', list, '1')
      if lists.brief then call('PEXPIRE', list, '60000') end
    end
  end
end
