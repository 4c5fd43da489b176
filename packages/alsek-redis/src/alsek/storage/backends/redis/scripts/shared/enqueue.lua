-- Notes in which state a message is to be; apply_effects() in shared/effects.lua writes it.
-- Needs: effects header

local function write_record(uuid, record)
  records[#records + 1] = uuid
  records[#records + 1] = record
end

local function enter_ready(h, uuid, suspect)
  local class = suspect and 'suspects:' or 'ready:'
  local name = class .. h.wish .. ':' .. h.queue
  local group = groups[name]
  if not group then
    group = { name = name, index = class .. h.wish, wish = h.wish, queue = h.queue, members = {} }
    groups[name] = group
    group_list[#group_list + 1] = group
  end
  local members = group.members
  members[#members + 1] = h.priority
  members[#members + 1] = place_of(h, uuid)
end

-- Whoever sleeps keeps a timer for the first due time, so one must hear of a new first.
local function enter_delayed(h, uuid, due)
  call('ZADD', DELAYED, int(due), place_of(h, uuid) .. '\n' .. h.queue)
  if not first_due or due < first_due then
    first_due = due
    wake(h.wish, h.queue)
  end
end
