-- Stores new messages.
-- Needs: counts dead_letter_removal effects enter known_uuids status
-- With keys: binding unique_key_record waiting

local UNBOUND = {}

-- Delete what is left of an earlier message of this uuid; its dead letter only if that is in the same queue.
local function clear_traces(uuid, queue)
  call('DEL', P .. 'results:' .. uuid, P .. 'statuses:' .. uuid, P .. 'descendants:' .. uuid, P .. 'unreachable:' .. uuid,
    P .. 'reports:' .. uuid, P .. 'log:' .. uuid)
  delete_letter(uuid, queue)
end

-- Store the messages that are new. Each of `starts` is where a submission begins in ARGV: uuid, queue, payload, priority,
-- wish, delay, ttl, status_ttl, tail; the wish is a capital letter if the uuid may have been used before.
-- Answers 1 for an accepted one, 0 for a uuid that is not new; { 1, uuid } for one that has taken the place of another, under
-- that uuid; { 0, uuid } (without a request 0) if that message holds its unique key. A submission that was accepted under the request `by` before
-- is accepted again; without a request (a callback, a replay) none is. `known` and `removed` are requests_of()'s answers,
-- if the caller has them.
local function submit(starts, by, known, removed)
  local request = by or '-'
  removed = removed or {}
  if not known then
    local uuids = {}
    for n, i in ipairs(starts) do uuids[n] = ARGV[i] end
    known, removed = requests_of(uuids)
    -- What this call has stored before is not written yet.
    for n = 1, #records, 2 do known[records[n]], removed[records[n]] = request, nil end
  end
  local answers = {}
  local last_arrival = (call('HINCRBY', COUNTERS, 'arrival', int(#starts)) or NOW) - #starts
  commit()
  for n, i in ipairs(starts) do
    local uuid, queue, priority, wish = ARGV[i], ARGV[i + 1], ARGV[i + 3], ARGV[i + 4]
    local pause, ttl, status_ttl, tail = ARGV[i + 5], ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
    if known[uuid] and (known[uuid] == by or not removed[uuid]) then
      answers[n] = known[uuid] == by and 1 or 0
      local under = answers[n] == 1 and removed[uuid] and stored_under[uuid]
      if under then answers[n] = { 1, rarely().with_keys().unescaped_uuid(under) } end
    else
      local bound = string.find(tail, ';[kl]=') and rarely().with_keys().bind(i, by) or UNBOUND
      answers[n] = bound.refused_by and (by and { 0, bound.refused_by } or 0) or bound.under and { 1, bound.under } or 1
      if not bound.refused_by then
        if string.byte(wish) < 97 then
          wish = string.lower(wish)
          if not bound.under then clear_traces(uuid, queue) end
        end
        uuid = bound.under or uuid
        known[uuid], removed[uuid] = request, nil
        local expiry = (ttl ~= '0' and (pause == '0' or bound.behind)) and int(NOW + ttl + pause) or '0'
        local arrival = last_arrival + n
        local h = { wish = wish, priority = priority, arrival = arrival, queue = queue, tail = tail }
        write_record(uuid, @new_header@ .. ARGV[i + 2])
        add_to_count(queue, 1)
        if bound.behind then
          rarely().with_keys().wait_behind(bound.behind, h, uuid, NOW + pause)
        elseif pause == '0' then
          enter_ready(h, uuid)
        else
          enter_delayed(h, uuid, NOW + pause)
        end
        write_status(uuid, @SUBMITTED@, status_ttl)
      end
    end
  end
  return answers
end
