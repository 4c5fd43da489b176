-- The ready messages that are the first of their priority in their ready set, without what is set aside.
-- ARGV[2] for how many priorities of a set, from ARGV[3] on the queues, up to a thousand
-- Returns: flat: uuid, record
-- Needs: fetch sets_of_queues
local uuids, answer = {}, {}
for _, sets in ipairs((sets_of_queues({ unpack(ARGV, 3) }))) do
  for _, set in ipairs(sets) do
    local from = '-inf'
    for _ = 1, tonumber(ARGV[2]) do
      local first = try('ZRANGEBYSCORE', set, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 2)
      if not first[1] then break end
      uuids[#uuids + 1] = string.sub(first[1], 14)
      if not first[3] then break end
      from = '(' .. first[2]
    end
  end
end
for n, record in ipairs(uuids[1] and fetch(MESSAGES, uuids) or {}) do
  if record and string.find(record, TO_CLAIM) then
    answer[#answer + 1] = uuids[n]
    answer[#answer + 1] = record
  end
end
return answer
