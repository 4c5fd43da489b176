-- Groups as they are kept. group:<id> is a hash: total, succeeded, failed, revoked; state; stop ('1' or '0'), ttl, request,
-- parent (its place in another group, or ''); callback (a submission, each argument as length:argument; until it is
-- submitted), callback_uuid; unreachable (uuids with line feeds between them); failure (number|end of the member because of
-- which it failed); ended ('1' if nothing more follows of it). members:<id> is a hash number -> end of a member: a letter
-- (s succeeded, f failed, r revoked, g a group that has joined), uuid, line feed, payload. nested:<id> is the set of the
-- groups that are members of it. A place is <group>:<number>.
local PLACE = '^(.*):(%d+)$'
local group_book = {}

-- A value of a tail as it was before it was escaped: see header.py of alsek-core.
local function unescaped(text)
  return text and (string.gsub(text, '%%(%x%x)', function(code) return string.char(tonumber(code, 16)) end))
end

-- What is counted of a group, and what decides, read once in a call; false if it is not stored.
local function group_of(id)
  local group = group_book[id]
  if group == nil then
    local total, succeeded, failed, revoked, state, stop, ttl, parent, ended = unpack(call('HMGET', P .. 'group:' .. id,
      'total', 'succeeded', 'failed', 'revoked', 'state', 'stop', 'ttl', 'parent', 'ended'))
    group = total and {
      id = id, total = tonumber(total), succeeded = tonumber(succeeded), failed = tonumber(failed),
      revoked = tonumber(revoked), state = state, stop = stop == '1', ttl = ttl, parent = parent, ended = ended == '1',
    } or false
    group_book[id] = group
  end
  return group
end

-- The group of which this one is a member; nil if it is in none, false if that is not stored.
local function parent_of(group)
  local id = string.match(group.parent, PLACE)
  return id and group_of(id)
end

-- Whether a group no longer awaits the message with this tail, or the group that it is in: it is not stored any more, was
-- revoked, or with `failed_too` has failed.
local function is_dropped(tail, failed_too)
  local id = unescaped(string.match(tail, ';g=([^;]*):%d+'))
  local group = id and group_of(id)
  while group do
    if group.state == 'revoked' or failed_too and group.state == 'failed' then return true end
    group = parent_of(group)
  end
  return group == false
end
