-- Which ready sets a worker takes from, and whether they hold anything.
-- ARGV[2] worker id, ARGV[3] its kind, ARGV[4] its lease, ARGV[5] its dlq_ttl, ARGV[6] its suspect policy,
-- ARGV[7] how many queues it names (-1: it takes from all), ARGV[8…] their names
local WISHES = ({ thread = { 'a', 't' }, process = { 'a', 'p' }, any = { 'a', 't', 'p' } })[ARGV[3]]
local POLICY, N_QUEUES = ARGV[6], tonumber(ARGV[7])
local AFTER_QUEUES = 8 + math.max(N_QUEUES, 0)
local ROOMS = ({ alone = { 'ready:' }, freely = { 'ready:', 'suspects:' }, only = {} })[POLICY]

-- In bytes, as ZRANGEBYLEX compares; "<" goes by the server's locale.
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- The worker's next queue after its n-th, `last`; nil after the last one.
local function next_queue(n, last, rooms)
  if N_QUEUES >= 0 then return n < N_QUEUES and ARGV[8 + n] or nil end
  local best
  for _, room in ipairs(rooms) do
    for _, wish in ipairs(WISHES) do
      local from = last and '(' .. last or '-'
      local queue = call('ZRANGEBYLEX', P .. room .. wish, from, '+', 'LIMIT', 0, 1)[1]
      if queue and (not best or before(queue, best)) then best = queue end
    end
  end
  return best
end

-- Whether anything waits in these rooms; each set that has something is given to `found`.
local function waits(rooms, found)
  local keys, names = {}, {}
  for _, room in ipairs(rooms) do
    for _, wish in ipairs(WISHES) do
      if N_QUEUES < 0 then
        keys[#keys + 1], names[#names + 1] = P .. room .. wish, { room, wish }
      end
      for n = 8, AFTER_QUEUES - 1 do
        if not broken[ARGV[n]] then
          keys[#keys + 1], names[#names + 1] = P .. room .. wish .. ':' .. ARGV[n], { room, wish, ARGV[n] }
        end
      end
    end
  end
  local any = keys[1] and call('EXISTS', unpack(keys)) > 0
  if any and found then
    for n, key in ipairs(keys) do
      if call('EXISTS', key) == 1 then found(unpack(names[n])) end
    end
  end
  return any or false
end

-- Wake the next sleeper of every queue that has something left for this worker.
local function pass_on(rooms)
  return waits(rooms, function(room, wish, queue)
    queue = queue or call('ZRANGE', P .. room .. wish, 0, 0)[1]
    if queue then wake(wish, queue) end
  end)
end
