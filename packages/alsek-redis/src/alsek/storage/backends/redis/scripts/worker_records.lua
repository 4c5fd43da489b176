-- What the store knows of its workers.
-- Returns: for each {id, end of its lease, lease, facts, what it runs, uuid, claim, …}; facts are time|kind|1 if it takes
-- any task|JSON; '' for what it has not told
local answer, workers = {}, call('ZRANGE', WORKERS, 0, -1, 'WITHSCORES')
for i = 1, #workers, 2 do
  local worker = workers[i]
  local record = { worker, workers[i + 1], call('HGET', P .. 'leases', worker) or '0',
    call('HGET', P .. 'facts', worker) or '', call('HGET', P .. 'running', worker) or '' }
  local held = try('HGETALL', P .. 'claims:' .. worker)
  for k = 1, #held, 2 do
    if held[k] ~= '' then
      record[#record + 1] = held[k]
      record[#record + 1] = held[k + 1]
    end
  end
  answer[#answer + 1] = record
end
return answer
