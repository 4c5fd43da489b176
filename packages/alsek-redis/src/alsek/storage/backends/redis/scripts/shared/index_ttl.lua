-- Indexes that expire.

-- Let an index live as long as its longest-lived entry. `left` is its PTTL before an entry was added that lives for `ttl`
-- (text).
local function extend_index(index, left, ttl)
  if ttl == '-1' then
    call('PERSIST', index)
  elseif left == -2 or (left >= 0 and left < tonumber(ttl)) then
    call('PEXPIRE', index, ttl)
  end
end
