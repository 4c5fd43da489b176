-- The ready messages that are the first of their priority in their ready set, without what is set aside.
-- ARGV[2] for how many priorities of a set, from ARGV[3] on the queues
-- Returns: flat: uuid, record
-- Needs: header ready_classes
local answer = {}
for i = 3, #ARGV do
  for _, class in ipairs(PLAIN_CLASSES) do
    for _, wish in ipairs(ALL_WISHES) do
      local set, from = P .. class .. wish .. ':' .. ARGV[i], '-inf'
      for _ = 1, tonumber(ARGV[2]) do
        local first = try('ZRANGEBYSCORE', set, from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
        if not first[1] then break end
        local uuid = string.sub(first[1], 14)
        local record = call('HGET', MESSAGES, uuid)
        if record and parse(record) then
          answer[#answer + 1] = uuid
          answer[#answer + 1] = record
        end
        from = '(' .. first[2]
      end
    end
  end
end
return answer
