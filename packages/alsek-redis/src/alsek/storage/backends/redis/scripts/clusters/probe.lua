-- Tells what this user lacks to wake workers, or to be woken, over one connection to each node; does nothing.
-- KEYS[1] a key, ARGV[1] a channel, both of one partition
-- Returns: nil before Redis 7, else the rights
local check = redis.acl_check_cmd
if not check then return false end
local lacking = {}
if check('RPUSH', KEYS[1], '') and not check('SPUBLISH', ARGV[1], '') then lacking[1] = '+spublish' end
if check('BLPOP', KEYS[1], '1') and not check('SSUBSCRIBE', ARGV[1]) then lacking[#lacking + 1] = '+ssubscribe' end
return lacking
