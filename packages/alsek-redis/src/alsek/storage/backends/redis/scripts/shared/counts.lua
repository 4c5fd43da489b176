-- Collects what changes with messages that come and go: how many each queue has, and whether groups must know.
local counts = {}
-- Whether something has ended in this call that groups must know of.
local groups_noted = false

-- Change the number of messages of a queue.
local function add_to_count(queue, change)
  counts[queue] = (counts[queue] or 0) + change
end

-- Write the numbers. A queue that has no message left is forgotten, with the tokens of its workers.
local function write_counts()
  for queue, change in pairs(counts) do
    local left = change ~= 0 and call('HINCRBY', QUEUES, queue, int(change))
    if left and left <= 0 then
      call('HDEL', QUEUES, queue)
      call('DEL', P .. 'wake:thread:' .. queue, P .. 'wake:process:' .. queue)
    end
  end
  counts = {}
end
