-- Reads any number of fields: in batches, because Lua's stack is limited.

-- The values of any number of fields of a hash.
local function fetch(key, fields)
  if #fields <= 1000 then return call('HMGET', key, unpack(fields)) end
  local values = {}
  for i = 1, #fields, 1000 do
    for n, value in ipairs(call('HMGET', key, unpack(fields, i, math.min(i + 999, #fields)))) do
      values[i + n - 1] = value
    end
  end
  return values
end
