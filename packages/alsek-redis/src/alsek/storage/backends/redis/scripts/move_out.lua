-- Remove things that are still as they were copied: a message with its status, if nobody holds it. It has not ended.
-- The same batch again changes nothing.
-- ARGV[2] move, ARGV[3] batch; from ARGV[4] on 6 for each: m, d, r, s, v or t (a message, dead letter, result, status, value,
-- schedule: its timetable); uuid or name; queue, of a result its progenitor; how its record begins, of the last three all of it;
-- the message's status; if something may be kept of reports on it, token|number of the last one
-- Returns: nil if another move has opened the store, else for each '1' if it was removed, '0' if not
-- Needs: dead_letter_check dead_letter_lookup dead_letter_removal detach effects end_message lookup
-- With reports: report_ends
-- With schedules: schedule_changes
-- Flags: allow-oom
local key = P .. 'moves'
local noted = call('HMGET', key, 'out:move', 'out:batch', 'out:taken')
if noted[1] ~= ARGV[2] then return false end
if noted[2] == ARGV[3] then return noted[3] end

local NAMES = { r = 'results:', s = 'statuses:', v = 'values:' }
local found, taken = {}, {}
for i = 4, #ARGV, 6 do
  local kind, name, other, mark, status = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local one = { kind = kind, name = name, other = other }
  local same
  if kind == 'm' then
    local h, record = lookup(name, other)
    same = h and string.sub(record, 1, #mark) == mark and (call('GET', P .. 'statuses:' .. name) or '') == status
    if same then
      one.h, one.place, one.tracked = h, locate(name, h), status ~= ''
      same = not one.place.worker and not string.find(h.tail, ';[gj]=') -- its group stays here
    end
  elseif kind == 'd' then
    check_dead_letter_lists(other)
    same = letter_exists(name, other) and
      string.sub(call('GET', P .. 'letters:' .. name .. '\n' .. other) or '', 1, #mark) == mark
  elseif kind == 't' then
    same = rarely().with_schedules().schedule_record(name) == mark
  else
    one.key = P .. NAMES[kind] .. name
    if kind == 'r' and other ~= '' then call('ZCARD', P .. 'descendants:' .. other) end
    local record = call('GET', one.key)
    if record and kind == 'r' then record = string.sub(record, 1, #mark) end
    same = record == mark
  end
  one.reported = ARGV[i + 5] ~= ''
  if same and one.reported then
    local last = call('HMGET', P .. 'reports:' .. name, 'token', 'number')
    same = (last[1] or '') .. '|' .. (last[2] or '') == ARGV[i + 5]
  end
  taken[#taken + 1] = same and '1' or '0'
  if same then found[#found + 1] = one end
end

commit()
for _, one in ipairs(found) do
  if one.kind == 'm' then
    detach(one.name, one.h, one.place)
    end_message(one.name, one.other, 'removed', one.h.request, one.h.tail) -- its uuid is free, but not for the same request
    if one.tracked then call('DEL', P .. 'statuses:' .. one.name) end
  elseif one.kind == 'd' then
    delete_letter(one.name, one.other)
    if one.reported then rarely().with_reports().delete_report_of_letter(one.name) end
  elseif one.kind == 't' then
    rarely().with_schedules().delete_schedule(one.name)
  else
    local key_of_it = one.key
    call('DEL', key_of_it)
    if one.kind == 'r' and one.other ~= '' then call('ZREM', P .. 'descendants:' .. one.other, one.name) end
  end
end
write_ends()
apply_effects()
local all = table.concat(taken)
call('HSET', key, 'out:batch', ARGV[3], 'out:taken', all, 'out:beat', int(NOW))
return all
