-- Register a worker with a full lease. If it is registered, renew its lease.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its lease
-- Returns: nothing
-- Needs: heartbeat leases
-- Flags: allow-oom
local known = call('HEXISTS', KEYS[6], '') == 1
call('ZSCORE', WORKERS, ARGV[2])
heartbeat(tonumber(ARGV[3]))
extend_lease(ARGV[2], ARGV[3])
if not known then call('HSET', KEYS[6], '', '0 \n') end
