-- Make a worker known, with a full lease; of a known one, renew the lease.
-- KEYS[6] its claims
-- ARGV[2] worker id, ARGV[3] its lease
-- Returns: nothing
-- Needs: base beat
-- Flags: allow-oom
beat(tonumber(ARGV[3]))
extend(ARGV[2], ARGV[3])
call('HSETNX', KEYS[6], '', '0 \n')
