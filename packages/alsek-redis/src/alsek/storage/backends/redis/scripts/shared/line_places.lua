-- Where lines stand: each at one limit, in the order of their first messages.
-- Needs: limits lines

local function count_line(id, change)
  local limit = noted(id)
  limit.waiting = limit.waiting and limit.waiting + change
end

-- A line leaves its limit; before its first message changes.
local function step_out(line)
  if not line.at then return end
  call('ZREM', P .. 'waiting:' .. line.at, entry_of(line))
  count_line(line.at, -1)
end

-- It stands at a limit, by its first message; one without messages is gone. Answers false if another program has
-- overwritten where it would stand.
local function step_in(line, id)
  local set, at = P .. 'waiting:' .. id, line.at
  line.at = nil
  if not line.head then return call('HDEL', LINES, line.name) end
  if not call('ZADD', set, line.priority, entry_of(line)) then return false end
  if at ~= id and not call('HSET', LINES, line.name, id) then
    call('ZREM', set, entry_of(line))
    return false
  end
  line.at = id
  count_line(id, 1)
  return true
end

-- Answers false if another program has overwritten where it would stand: it stays.
local function move_line(line, id)
  local from = line.at
  step_out(line)
  if step_in(line, id) then return true end
  step_in(line, from)
  return false
end

-- A message was added; if the line stands nowhere, it is to stand at `id`. Answers as step_in().
local function line_grew(line, member, priority, id)
  local after = line.head and tonumber(priority) - tonumber(line.priority)
  local is_first = not after or after < 0 or after == 0 and member < line.head
  if line.at and not is_first then return true end
  step_out(line)
  if is_first then line.head, line.priority = member, priority end
  return step_in(line, line.at or id)
end

-- A message was removed.
local function line_shrank(line, member)
  if member ~= line.head then return end
  step_out(line)
  read_head(line)
  if line.at or line.lost then step_in(line, line.at or line.lost) end
end
