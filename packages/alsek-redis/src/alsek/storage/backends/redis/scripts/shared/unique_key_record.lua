-- Reads who holds a unique key. unique:<key> is 'h' or 'w' (its holder holds it, or only its window is left)|end of the last
-- window, or 0|uuid of the holder|uuid of the message that waits behind it ('' for none), in both of them %25 for % and %7C
-- for |. A holder that is no longer stored holds nothing. `followed` is a hash: uuid of a holder behind which a message waits
-- -> the key.
-- Needs: tail_text

local function unescaped_uuid(text)
  return (string.gsub(string.gsub(text, '%%7C', '|'), '%%25', '%%'))
end

-- Who holds a key, or has held it in a window that is not over; nil if nobody.
local function read_key(key)
  local record = call('GET', P .. 'unique:' .. key) or ''
  local kind, held_until, holder, follower = string.match(record, '^([hw])|(%d+)|([^|]*)|(.*)$')
  held_until = tonumber(held_until)
  if not kind or kind == 'w' and held_until <= NOW then return nil end
  return { held = kind == 'h', held_until = held_until, holder = unescaped_uuid(holder), follower = unescaped_uuid(follower) }
end

-- The key in the tail of a header; nil if there is none.
local function key_in(tail)
  local key = string.match(tail, ';k=[es][xrp]%d+:([^;]*)')
  return key and key_of(key)
end
