-- Wakes sleeping workers. A worker sleeps in BLPOP on a few lists; a token on one of them wakes one worker. A list has
-- at most one token.

-- The lists of the workers that may take a message of this wish from this queue.
local function token_lists(wish, queue)
  local lists = {}
  if wish ~= 'p' then lists = { P .. 'wake:thread:' .. queue, P .. 'wakes:thread' } end
  if wish ~= 't' then
    lists[#lists + 1] = P .. 'wake:process:' .. queue
    lists[#lists + 1] = P .. 'wakes:process'
  end
  return lists
end

-- Leave a token on each of these lists that has none. `lacking`: the caller knows that there are such lists.
-- No other function wakes a worker.
local function wake(lists, lacking)
  if not lacking and call('EXISTS', unpack(lists)) == #lists then return end
  for _, list in ipairs(lists) do
    if call('EXISTS', list) == 0 then call('RPUSH', list, '1') end
  end
end
