-- Read a lock, or free or extend it for its owner.
-- ARGV[2] name, ARGV[3] what to do: see, free or extend, ARGV[4] owner, ARGV[5] ttl
-- Returns: nil if it is free or (free, extend) has another owner, else its record: expiry|fence|owner
-- Flags: allow-oom
local key = P .. 'locks:' .. ARGV[2]
local held = call('GET', key)
local expiry, fence, owner = string.match(held or '', '^(%d+)|(%d+)|(.*)$')
if not expiry or tonumber(expiry) <= NOW then return false end
if ARGV[3] == 'see' then return held end
if owner ~= ARGV[4] then return false end
if ARGV[3] == 'free' then
  call('DEL', key)
  try('PUBLISH', C .. 'locks:' .. ARGV[2], '')
else
  held = int(NOW + tonumber(ARGV[5])) .. '|' .. fence .. '|' .. owner
  call('SET', key, held, 'PX', ARGV[5])
end
return held
