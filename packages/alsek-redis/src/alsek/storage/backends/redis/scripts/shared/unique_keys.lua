-- Unique keys: who holds one. shared/unique_key_record.lua describes their records.
-- Needs: effects enter header ttl unique_key_record waiting
local heirs = {}

local function escaped_uuid(uuid)
  return (string.gsub(string.gsub(uuid, '%%', '%%25'), '|', '%%7C'))
end

-- A key that nobody holds is kept for the rest of its window.
local function write_key(key, state)
  local name, left = P .. 'unique:' .. key, state.held_until - NOW
  if not state.held and left <= 0 then return call('DEL', name) end
  local record = (state.held and 'h|' or 'w|') .. int(state.held_until) .. '|' .. escaped_uuid(state.holder) .. '|'
  set_for(name, record .. escaped_uuid(state.follower), state.held and '-1' or int(left))
end

-- The holder holds the key no longer. If a message waits behind it, that one does now, and settle() lets it in.
local function free_key(key, state)
  local follower, prefix = state.follower, 'u:' .. key .. '|'
  local what = follower ~= '' and call('HGET', WAITS, follower) or ''
  if follower ~= '' then call('HDEL', P .. 'followed', state.holder) end
  state.follower, state.held = '', string.sub(what, 1, #prefix) == prefix
  if state.held then
    state.holder, unsettled = follower, true
    heirs[#heirs + 1] = { uuid = follower, what = what, arrival = call('HINCRBY', COUNTERS, 'arrival', '1') }
  end
  write_key(key, state)
end

-- A message with this key has ended, or (if it holds the key until then) is claimed. If it waits behind the holder and
-- `stays`, it goes on with that.
local function give_up(key, uuid, stays)
  local state = read_key(key)
  if state and state.held and state.holder == uuid then
    free_key(key, state)
  elseif state and state.follower == uuid and not stays then
    call('HDEL', P .. 'followed', state.holder)
    state.follower = ''
    write_key(key, state)
  end
end

-- A message that no worker holds is revoked.
local function give_up_of_revoked(tail, uuid)
  give_up(key_in(tail), uuid, true)
end

-- The messages that hold a key now, and have waited for it, become ready or delayed.
local function enter_heirs()
  local list = heirs
  heirs = {}
  for _, heir in ipairs(list) do
    local record = call('HGET', WAITS, heir.uuid) == heir.what and call('HGET', MESSAGES, heir.uuid)
    local due, wish, queue = string.match(heir.what, '|(%d+)|(%w)|([^|]*)$')
    if record then
      local h = parse(record) or { wish = wish, priority = '0', arrival = '0', queue = queue, tail = '' }
      leave_waiting(h, heir.uuid, heir.what)
      h.arrival = int(heir.arrival or h.arrival)
      if h.body then call('HSET', MESSAGES, heir.uuid, format(h) .. string.sub(record, h.body)) end
      due_changed = tonumber(due) > NOW or due_changed
      if tonumber(due) > NOW then enter_delayed(h, heir.uuid, tonumber(due)) else enter_ready(h, heir.uuid) end
    end
  end
end
