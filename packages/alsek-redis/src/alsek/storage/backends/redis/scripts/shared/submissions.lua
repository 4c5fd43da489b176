-- Stores new messages, and finds out which ones are new.
-- Needs: dead_letter_removal dedup_window effects enter fetch header status

-- By uuid: the request that submitted its message ('' if the record can't be read); nil if there was no message within
-- the window. Second: the uuids whose message was ended by hand; they are new to every other request.
-- Uuids of ended messages are in one hash for each half of the window: uuid -> offset in it|request, and a '|' if ended
-- by hand. A stored message counts before these entries, and a newer entry before an older one.
local function requests_of(uuids)
  local found, removed = {}, {}
  for half = HALF - WINDOW / SPAN, HALF do
    for n, entry in ipairs(fetch(P .. 'finished:' .. half, uuids)) do
      if entry then
        local offset, request, by_hand = string.match(entry, '^(%d+)|([^|;]*)[^|]*(|?)$')
        if offset and half * SPAN + offset + WINDOW > NOW then
          found[uuids[n]], removed[uuids[n]] = request, by_hand == '|' or nil
        end
      end
    end
  end
  for n, record in ipairs(fetch(MESSAGES, uuids)) do
    if record then found[uuids[n]], removed[uuids[n]] = (parse(record) or { request = '' }).request, nil end
  end
  return found, removed
end

-- Delete what is left of an earlier message of this uuid; its dead letter only if that is in the same queue.
local function clear_traces(uuid, queue)
  call('DEL', P .. 'results:' .. uuid, P .. 'statuses:' .. uuid, P .. 'descendants:' .. uuid, P .. 'unreachable:' .. uuid)
  delete_letter(uuid, queue)
end

-- Store the messages that are new. Each of `starts` is where a submission begins in ARGV: uuid, queue, payload, priority,
-- wish, delay, ttl, status_ttl, tail; the wish is a capital letter if the uuid may have been used before.
-- Answers 1 for an accepted one, 0 for a uuid that is not new. A submission that was accepted under the request `by` before
-- is accepted again; without a request (a callback, a replay) none is. `known` and `removed` are requests_of()'s answers,
-- if the caller has them.
local function submit(starts, by, known, removed)
  local request = by or '-'
  removed = removed or {}
  if not known then
    local uuids = {}
    for n, i in ipairs(starts) do uuids[n] = ARGV[i] end
    known, removed = requests_of(uuids)
  end
  local answers = {}
  local last_arrival = (call('HINCRBY', COUNTERS, 'arrival', int(#starts)) or NOW) - #starts
  commit()
  for n, i in ipairs(starts) do
    local uuid, queue, priority, wish = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]
    local pause, ttl, status_ttl, tail = ARGV[i + 5], ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
    if known[uuid] and (known[uuid] == by or not removed[uuid]) then
      answers[n] = known[uuid] == by and 1 or 0
    else
      answers[n] = 1
      known[uuid], removed[uuid] = request, nil
      if string.byte(wish) < 97 then
        wish = string.lower(wish)
        clear_traces(uuid, queue)
      end
      local expiry = (ttl ~= '0' and pause == '0') and int(NOW + ttl) or '0'
      local arrival = last_arrival + n
      local h = { wish = wish, priority = priority, arrival = arrival, queue = queue, tail = tail }
      write_record(uuid, @new_header@ .. ARGV[i + 2])
      add_to_count(queue, 1)
      if pause == '0' then enter_ready(h, uuid) else enter_delayed(h, uuid, NOW + pause) end
      write_status(uuid, SUBMITTED, status_ttl)
    end
  end
  return answers
end
