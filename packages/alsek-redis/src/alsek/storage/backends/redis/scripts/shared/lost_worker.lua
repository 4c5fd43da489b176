-- A worker whose lease has ended.
-- Needs: forget_worker

-- Give back what it holds, with one loss more, and delete it. Answers `told`, to which are added: its name, how many
-- messages it held, its facts.
local function forget_lost_worker(told, worker, dlq_ttl)
  local facts = call('HGET', P .. 'facts', worker) or ''
  local n, messages = #told, forget_worker(worker, 1, @RETRYING@, dlq_ttl)
  told[n + 1], told[n + 2], told[n + 3] = worker, messages, facts
  return told
end
