-- Keys that expire.

-- Store `value` for `ttl` ms (text): '-1' for ever.
local function set_for(key, value, ttl)
  if ttl == '-1' then
    call('SET', key, value)
  else
    call('SET', key, value, 'PX', ttl == '0' and '1' or ttl)
  end
end
