-- Keeps what workers report of messages that they hold. What is kept on a message is the hash reports:<uuid> with the fields
-- token, number, at, progress, checkpoint, and the list log:<uuid>. While the message is stored, ';o=1' in the tail of its
-- header says that there is something; without that, what is there is left of another message of this uuid.
-- Needs: bulk claim_header header packed

-- Say in the header that something is kept now. Answers the new claim; nil if the record can't be read.
local function mark_as_reported(claims, uuid, token, seq, flags, held)
  local record = call('HGET', MESSAGES, uuid) or ''
  local h = parse(record)
  if not h then return nil end
  h.tail, held.tail = ';o=1' .. h.tail, ';o=1' .. held.tail
  local claim = int(token) .. '|' .. int(seq) .. '|' .. flags .. '|' .. format(held)
  call('HSET', MESSAGES, uuid, format(h) .. string.sub(record, h.body))
  call('HSET', claims, uuid, claim)
  call('DEL', P .. 'reports:' .. uuid, P .. 'log:' .. uuid)
  return claim
end

-- Take in the report that begins at ARGV[i], as in shared/outcomes.lua. Answers whether its token is that of the worker's
-- current claim, and the new claim if this is the first report.
local function take_in_report(claims, i)
  local uuid, token, number, keep = ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 3]), tonumber(ARGV[i + 6])
  local held_under, seq, flags, h = parse_claim(call('HGET', claims, uuid) or '')
  if not h or int(held_under) ~= token then return false end
  local key, log, claim = P .. 'reports:' .. uuid, P .. 'log:' .. uuid, nil
  if not string.find(h.tail, ';o=1', 1, true) then
    claim = mark_as_reported(claims, uuid, held_under, seq, flags, h)
    if not claim then return false end
  else
    local last = call('HMGET', key, 'token', 'number')
    if last[1] == token and (tonumber(last[2] or 0) or 0) >= number then return true end
  end
  local fields = { 'token', token, 'number', int(number), 'at', int(NOW) }
  for n, name in ipairs({ 'progress', 'checkpoint' }) do
    local value = ARGV[i + 3 + n]
    if value ~= '' then fields[#fields + 1], fields[#fields + 2] = name, string.sub(value, 2) end
  end
  call('HSET', key, unpack(fields))
  if keep > 0 then
    local lines = {}
    unpack_into(lines, ARGV[i + 7])
    bulk('RPUSH', log, lines)
    call('LTRIM', log, int(-keep), '-1')
  end
  return true, claim
end
