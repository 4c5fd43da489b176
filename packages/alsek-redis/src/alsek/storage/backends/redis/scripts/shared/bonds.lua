-- What a message has because of the tail of its header, and lets go of: places of limits, its unique key.
-- Needs: header limits unique_key_record unique_keys

-- The numbers of a submission hold from now on.
local function take_numbers(tail)
  for _, own in ipairs(limits_in(tail)) do
    local limit = counted(own.id, own)
    if limit.amount ~= own.amount or limit.per ~= own.per then
      limit.amount, limit.per, limit.stored = own.amount, own.per, nil
      write_places(limit)
      count(limit)
    end
  end
end

-- A message gives back its places.
local function free_places(uuid, tail)
  for _, own in ipairs(limits_in(tail)) do
    local limit = noted(own.id)
    limit.own, limit.gone[#limit.gone + 1] = own, uuid
  end
end

-- A message is claimed: its places of rates become starts, if it runs.
local function note_starts(uuid, tail, token, runs)
  for _, own in ipairs(limits_in(tail)) do
    if own.per > 0 then
      local limit = noted(own.id)
      limit.own, limit.gone[#limit.gone + 1] = own, uuid
      if runs then limit.begun[#limit.begun + 1], limit.begun[#limit.begun + 2] = int(NOW), token end
    end
  end
end

-- It has ended.
local function let_go(uuid, tail)
  free_places(uuid, tail)
  local key = key_in(tail)
  if key then give_up(key, uuid) end
end

-- It has ended, and its header can't be read. Of very many limits only some are looked at; the places of the others are found
-- by free_place_of_one_gone() some time.
local function let_go_of_all(uuid)
  local key = call('HGET', P .. 'followed', uuid)
  if key then give_up(key, uuid) end
  for _, id in ipairs(call('ZRANGE', P .. 'limits', '0', '9999')) do
    if call('SISMEMBER', P .. 'admitted:' .. id, uuid) == 1 then
      local gone = noted(id).gone
      gone[#gone + 1] = uuid
    end
  end
end

-- It is claimed, with this token. It does not run if it was revoked or has expired.
local function begin(uuid, record, token)
  local h = parse(record)
  if not h then return end
  if string.find(h.tail, ';k=s', 1, true) then give_up(key_in(h.tail), uuid) end
  local expired = h.expiry ~= '0' and tonumber(h.expiry) < NOW
  if string.find(h.tail, '[=,]r') then note_starts(uuid, h.tail, token, not expired and h.revoked ~= '1') end
end
