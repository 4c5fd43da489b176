-- Numbers that commands answer.

-- The number in an answer; 0 for anything else: an error because another program has put a key of another type there.
local function number(answer)
  return type(answer) == 'number' and answer or 0
end
