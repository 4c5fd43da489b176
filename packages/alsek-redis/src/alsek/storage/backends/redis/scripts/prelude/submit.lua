-- Taking in new messages, and knowing which are.
local WINDOW, SPAN = 60000, 30000

-- Finished uuids stand in one hash for each half of the window: uuid -> offset|request.
local function finished_key(back)
  return P .. 'finished:' .. int(math.floor(NOW / SPAN) - back)
end

local function remember(finished)
  if not finished[1] then return end
  local key = finished_key(0)
  bulk('HSET', key, finished)
  call('PEXPIRE', key, WINDOW + SPAN)
end

local function finished_entry(request)
  return int(NOW % SPAN) .. '|' .. request
end

-- For each uuid the request that it was taken in with, '' for a record that can't be read; nil if it is new.
local function requests_of(uuids)
  local found = {}
  for n, record in ipairs(call('HMGET', MESSAGES, unpack(uuids))) do
    if record then found[uuids[n]] = (parse(record) or { request = '' }).request end
  end
  for back = 0, WINDOW / SPAN do
    local start = (math.floor(NOW / SPAN) - back) * SPAN
    for n, entry in ipairs(call('HMGET', finished_key(back), unpack(uuids))) do
      local offset, request = string.match(entry or '', '^(%d+)|(.*)$')
      if offset and start + tonumber(offset) + WINDOW > NOW then
        found[uuids[n]] = found[uuids[n]] or request
      end
    end
  end
  return found
end

-- Each of `starts` is where one begins in ARGV: uuid, queue, payload, priority, wish, delay, ttl, status_ttl.
-- `requests` has the request of each. Answers 1 for accepted, 0 for a uuid that is not new.
local function submit(starts, requests, known)
  if not known then
    local uuids = {}
    for n, i in ipairs(starts) do uuids[n] = ARGV[i] end
    known = requests_of(uuids)
  end
  local answers = {}
  local arrival = call('HINCRBY', COUNTERS, 'arrival', #starts) - #starts
  for n, i in ipairs(starts) do
    local uuid, queue, payload = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    if known[uuid] then
      answers[n] = known[uuid] == requests[n] and 1 or 0
    else
      answers[n] = 1
      known[uuid] = requests[n]
      local pause, ttl = tonumber(ARGV[i + 5]), tonumber(ARGV[i + 6])
      local h = { wish = ARGV[i + 4], priority = ARGV[i + 3], arrival = int(arrival + n), losses = '0',
        expiry = (ttl > 0 and pause <= 0) and int(NOW + ttl) or '0', ttl = ARGV[i + 6],
        status_ttl = ARGV[i + 7], revoked = '0', request = requests[n], queue = queue }
      write(uuid, format(h) .. payload)
      tally(queue, 1)
      if pause > 0 then delay(h, uuid, NOW + pause) else ready(h, uuid) end
      status(uuid, SUBMITTED, h.status_ttl)
    end
  end
  return answers
end
