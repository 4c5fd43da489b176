-- New groups.
-- Needs: group_ends group_expiry groups

-- Store a group if its id is new, and its parent is stored; one without members joins when the groups are settled.
-- ARGV[at…]: id, total, stop, ttl, parent, unreachable, callback
local function create_group(at, request)
  local id, parent, callback = ARGV[at], ARGV[at + 4], ARGV[at + 6]
  local outer = string.match(parent, PLACE)
  if group_of(id) or outer and not group_of(outer) then return false end
  local length, from = string.match(callback, '^(%d+):()')
  call('HSET', P .. 'group:' .. id, 'total', ARGV[at + 1], 'succeeded', '0', 'failed', '0', 'revoked', '0', 'state', 'open',
    'stop', ARGV[at + 2], 'ttl', ARGV[at + 3], 'request', request, 'parent', parent, 'unreachable', ARGV[at + 5],
    'callback', callback, 'callback_uuid', length and string.sub(callback, from, from + length - 1) or '')
  group_book[id] = nil
  if outer then
    call('SADD', P .. 'nested:' .. outer, id)
    expire_with_group(outer, P .. 'nested:' .. outer)
  end
  -- It joins after the ends that are noted before, and before those that follow.
  if ARGV[at + 1] == '0' then decided[#decided + 1] = { at = #ended_places + 1 - 1 / (#decided + 2), group = group_of(id) } end
  return true
end
