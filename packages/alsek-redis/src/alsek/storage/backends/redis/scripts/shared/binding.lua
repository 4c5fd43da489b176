-- New messages with a unique key or limits.
-- Needs: bonds header key_taking lookup tail_text

-- The state of the message that holds a key; 0 if its record can't be read.
local function state_now(uuid)
  local record = call('HGET', MESSAGES, uuid)
  local h = record and parse(record)
  return h and (state_of(uuid, h)) or record and 0 or 'finished'
end

-- Of the submission that begins at ARGV[i]. If it is not refused, the numbers of its limits hold from now on.
local function bind(i, by)
  local conflict, window, key = string.match(ARGV[i + 8], ';k=[es]([xrp])(%d+):([^;]*)')
  local bound = key and take_key(ARGV[i], key_of(key), conflict, tonumber(window), by) or {}
  if not bound.refused_by then take_numbers(ARGV[i + 8]) end
  return bound
end

-- Of a message that comes from another store.
local function bind_arrival(uuid, tail)
  local window, key = string.match(tail, ';k=[es][xrp](%d+):([^;]*)')
  return key and take_key(uuid, key_of(key), 'm', tonumber(window)) or {}
end
