-- Mark a message as revoked; it stays in its state. The worker that holds it is woken. If none does, an empty value is
-- published for the result, so that processes that wait for it look again; and it holds its unique key no longer.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: 1, or 0 if it isn't there
-- Needs: claim_header effects header lookup result_channel wakeups
-- With keys: unique_keys
local queue, uuid = ARGV[2], ARGV[3]
local h, record = lookup(uuid, queue)
if not h then return 0 end
local worker = holder_of(uuid)
commit()
h.revoked = '1'
call('HSET', MESSAGES, uuid, format(h) .. string.sub(record, h.body))
if worker then
  local claims = P .. 'claims:' .. worker
  local token, seq, flags, held = parse_claim(call('HGET', claims, uuid) or '')
  if held then
    held.revoked = '1'
    call('HSET', claims, uuid, int(token) .. '|' .. int(seq) .. '|' .. flags .. '|' .. format(held))
  end
  wake({ P .. 'calls:' .. worker }, true)
else
  publish_result(uuid)
  if string.find(h.tail, ';k=', 1, true) then rarely().with_keys().give_up_of_revoked(h.tail, uuid) end
  apply_effects()
end
return 1
