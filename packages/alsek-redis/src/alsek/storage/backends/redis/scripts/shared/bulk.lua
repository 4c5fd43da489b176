-- Writes with any number of arguments: in batches, because Lua's stack is limited.

-- Call `command` on `key` with the arguments in `list`, an even number in each batch.
local function bulk(command, key, list)
  for i = 1, #list, 1000 do
    call(command, key, unpack(list, i, math.min(i + 999, #list)))
  end
end
