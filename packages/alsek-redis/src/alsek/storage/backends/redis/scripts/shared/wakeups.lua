-- Where tokens are left for those who sleep and may take a message of this wish from this queue.
local function token_lists(wish, queue)
  local lists = {}
  if wish ~= 'p' then lists = { P .. 'wake:thread:' .. queue, P .. 'wakes:thread' } end
  if wish ~= 't' then
    lists[#lists + 1] = P .. 'wake:process:' .. queue
    lists[#lists + 1] = P .. 'wakes:process'
  end
  return lists
end

