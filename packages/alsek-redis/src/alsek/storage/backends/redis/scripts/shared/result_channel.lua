-- The channel of a result.

-- Tell the processes that wait for the result of this message. A small record is published whole; without one they read
-- the result again.
local function publish_result(uuid, record)
  try('PUBLISH', C .. 'results:' .. uuid, record and #record <= @max_published_result@ and record or '')
end
