-- Take in things of the batch that is staged, and forget the bytes. The same batch again changes nothing.
-- ARGV[2] move, ARGV[3] name of the source, ARGV[4] batch, ARGV[5] the kind of all, as in move_out.lua; then for each
-- a message: uuid, header, payload, due time or '', '1' for a suspect, status or '', the status's expiry, the error of its
-- dead letter if its uuid was used meanwhile, reports; a dead letter: uuid, queue, payload, error, died_at, tail, expiry, reports;
-- a result: uuid, payload, timestamp, token, progenitor, expiry; a status or value: uuid or name, record, expiry; a schedule:
-- name, record. An expiry is '' for what is kept for ever; reports are '' or as in shared/report_arrivals.lua.
-- Returns: nil if another move has opened the store, else the names of those whose name was used meanwhile
-- Needs: arrivals counts dead_letter_check dead_letter_lookup effects enter first_due header known_uuids other_arrivals
-- With keys: binding waiting
-- With reports: report_arrivals
local key, into, batch, kind = P .. 'moves', 'in:' .. ARGV[3] .. ':', ARGV[4], ARGV[5]
local noted = call('HMGET', key, into .. 'move', into .. 'done', into .. 'late', into .. 'batch')
if noted[1] ~= ARGV[2] then return false end
if noted[2] == batch then return cjson.decode(noted[3]) end
if noted[4] ~= batch then return false end
local width = ({ m = 9, d = 8, r = 6, s = 3, v = 3, t = 2 })[kind]
local names, there, late, known, removed = {}, {}, {}, {}, {}
for i = 6, #ARGV, width do
  local name = ARGV[i]
  names[#names + 1] = name
  if kind == 'd' then
    check_dead_letter_lists(ARGV[i + 1])
    there[name .. '\n' .. ARGV[i + 1]] = letter_exists(name, ARGV[i + 1])
  elseif kind == 'm' then
    check_dead_letter_lists(parse(ARGV[i + 1]).queue)
    there[name] = call('EXISTS', P .. 'statuses:' .. name) == 1
  else
    there[name] = is_there(kind, name)
  end
end
if kind == 'm' and names[1] then known, removed = requests_of(names) end
read_first_due()
commit()

local arrival = kind == 'm' and (call('HINCRBY', COUNTERS, 'arrival', int(#names)) or NOW) - #names
for n, name in ipairs(names) do
  local i = 6 + (n - 1) * width
  if kind == 'm' then
    local h = parse(ARGV[i + 1])
    local is_late = known[name] and not removed[name]
    local bound = not is_late and string.find(h.tail, ';k=', 1, true) and rarely().with_keys().bind_arrival(name, h.tail)
    if is_late or bound and bound.refused_by then
      late[#late + 1] = name
      take_in_letter(name, h.queue, ARGV[i + 2], ARGV[i + 7], '-1', h.tail, nil, ARGV[i + 8])
    else
      local due = tonumber(ARGV[i + 3])
      h.arrival = int(arrival + n)
      local behind = bound and bound.behind
      if behind and h.ttl ~= '0' then h.expiry = int((due or NOW) + h.ttl) end
      write_record(name, format(h) .. ARGV[i + 2])
      add_to_count(h.queue, 1)
      if behind then rarely().with_keys().wait_behind(behind, h, name, due or NOW)
      elseif due then enter_delayed(h, name, due)
      else enter_ready(h, name, ARGV[i + 4] == '1') end
      if ARGV[i + 5] ~= '' and not there[name] then take_in_status(name, ARGV[i + 5], ARGV[i + 6]) end
      if ARGV[i + 8] ~= '' then rarely().with_reports().take_in_report_copy(name, ARGV[i + 8], '-1') end
    end
  elseif kind == 'd' then
    local queue, ttl = ARGV[i + 1], lives(ARGV[i + 6])
    if there[name .. '\n' .. queue] then
      late[#late + 1] = name
    elseif ttl then
      take_in_letter(name, queue, ARGV[i + 2], ARGV[i + 3], ttl, ARGV[i + 5], tonumber(ARGV[i + 4]), ARGV[i + 7])
    end
  elseif there[name] then
    late[#late + 1] = name
  else
    take_in(kind, i)
  end
end
apply_effects()
call('HSET', key, into .. 'done', batch, into .. 'late', cjson.encode(late))
call('HDEL', key, into .. 'batch', into .. 'data')
return late
