-- What is kept of reports on a message or dead letter that comes from another store.
-- Needs: bulk packed report_ends

-- `packed` has token, number, when it was reported, progress and checkpoint ('' for none, else '=' before it), and the
-- lines. It is kept for `ttl` ms (text): '-1' for ever. That of a dead letter takes the place of no other.
local function take_in_report_copy(uuid, packed, ttl, of_letter)
  if of_letter and call('EXISTS', P .. 'reports:' .. uuid) == 1 then return end
  local fields, lines, parts = {}, {}, {}
  unpack_into(parts, packed)
  for n, name in ipairs({ 'token', 'number', 'at', 'progress', 'checkpoint' }) do
    local value = n > 3 and string.sub(parts[n], 2) or parts[n]
    if parts[n] ~= '' then fields[#fields + 1], fields[#fields + 2] = name, value end
  end
  for n = 6, #parts do lines[n - 5] = parts[n] end
  delete_report(uuid)
  call('HSET', P .. 'reports:' .. uuid, unpack(fields))
  bulk('RPUSH', P .. 'log:' .. uuid, lines)
  keep_report(uuid, ttl)
end
