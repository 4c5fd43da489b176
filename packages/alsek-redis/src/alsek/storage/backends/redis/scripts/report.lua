-- Keep what a worker tells of messages that it holds.
-- KEYS[6] its claims
-- ARGV[2…] 8 for each report: an N, as in shared/outcomes.lua
-- Returns: the uuids of those that were refused because their token is not that of the worker's current claim
-- Needs: reports
local claims, refused = KEYS[6], {}
for i = 2, #ARGV, 8 do
  call('HEXISTS', claims, ARGV[i + 1])
  call('HLEN', P .. 'reports:' .. ARGV[i + 1])
  call('LLEN', P .. 'log:' .. ARGV[i + 1])
end
call('HEXISTS', MESSAGES, '')
commit()
for i = 2, #ARGV, 8 do
  if not take_in_report(claims, i) then refused[#refused + 1] = ARGV[i + 1] end
end
return refused
