-- Reads and writes schedules. `schedules` is a hash: name -> next_at|last_at ('' for none)|paused_since|lengths of the next
-- three, with a '|' behind each|revision, last_uuid, paused_by, definition.
local SCHEDULES = P .. 'schedules'

-- The schedule of a record; nil if it can't be read. All its fields are text.
local function parse_schedule(record)
  local next_at, last_at, since, a, b, c, from = string.match(record, '^(%-?%d*)|(%-?%d*)|(%d+)|(%d+)|(%d+)|(%d+)|()')
  if not from then return nil end
  local uuid, by, rest = from + a, from + a + b, from + a + b + c
  return { next_at = next_at, last_at = last_at, paused_since = since, revision = string.sub(record, from, uuid - 1),
    last_uuid = string.sub(record, uuid, by - 1), paused_by = string.sub(record, by, rest - 1),
    definition = string.sub(record, rest) }
end

-- The schedule of this name; nil if there is none. One that can't be read is none.
local function read_schedule(name)
  local record = call('HGET', SCHEDULES, name)
  return record and parse_schedule(record) or nil
end

-- Store a schedule, and answer its record.
local function write_schedule(name, s)
  local lengths = #s.revision .. '|' .. #s.last_uuid .. '|' .. #s.paused_by .. '|'
  local record = s.next_at .. '|' .. s.last_at .. '|' .. s.paused_since .. '|' .. lengths .. s.revision .. s.last_uuid ..
    s.paused_by .. s.definition
  call('HSET', SCHEDULES, name, record)
  return record
end

-- Whether this tick, or a later one, was fired already: then it was not known to whoever wants it to be the next one.
local function was_fired(s, tick)
  return tick ~= '' and s.last_at ~= '' and tonumber(tick) <= tonumber(s.last_at)
end

-- When it is offered next, if not before: '' for never.
local function offered_at(s)
  return s.paused_by == '' and s.next_at or ''
end
