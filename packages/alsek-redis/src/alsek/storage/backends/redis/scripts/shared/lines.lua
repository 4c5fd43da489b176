-- Lines: the messages with the same set of limits that wait. The name of a line is the ids of these, with commas: line:<name> has
-- its messages, in the form of a ready set. It stands at one of its limits: waiting:<id> has the lines that stand at a
-- limit, in the order of their first messages; score: priority, member: arrival number, line feed, name. `lines` is a hash:
-- name -> id of the limit. (Older versions had the messages themselves in waiting:<id>.)
local LINES, known_lines = P .. 'lines', {}

local function entry_of(line)
  return string.sub(line.head, 1, 13) .. '\n' .. line.name
end

local function read_head(line)
  local first = call('ZRANGE', line.set, '0', '0', 'WITHSCORES')
  line.head, line.priority = first[1], first[2]
end

-- A line, with its first message and the limit at which it stands; nil for these if it has none, or stands at none. The
-- limit at which it stood is noted if another program has removed its entry there.
local function line_named(name)
  local line = known_lines[name]
  if line then return line end
  local at = call('HGET', LINES, name)
  line = { name = name, set = P .. 'line:' .. name }
  read_head(line)
  if at and line.head then
    line[call('ZSCORE', P .. 'waiting:' .. at, entry_of(line)) and 'at' or 'lost'] = at
  end
  known_lines[name] = line
  return line
end
