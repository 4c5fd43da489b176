-- Transitions: a message becomes ready or delayed. Only these functions do that, and add_one.lua for a new message that is
-- ready at once; enter_claimed() in shared/claims.lua is the third.
-- Needs: effects first_due member wakeups
-- With keys: admission

-- Store a record; apply_effects() writes it.
local function write_record(uuid, record)
  records[#records + 1] = uuid
  records[#records + 1] = record
end

-- Make a message ready, unless it must wait for a limit; apply_effects() adds it to its ready set and wakes a worker.
local function enter_ready(h, uuid, suspect, is_let_in)
  if string.find(h.tail, ';l=', 1, true) and not (is_let_in or rarely().with_keys().is_admitted(h, uuid, suspect)) then return end
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
  members[#members + 1] = member_of(h, uuid)
end

-- Delay a message until `due`. Workers sleep until the first due time that they know of, so an earlier one wakes them.
local function enter_delayed(h, uuid, due)
  call('ZADD', DELAYED, int(due), member_of(h, uuid) .. '\n' .. h.queue)
  if not first_due or due < first_due then
    first_due = due
    wake(token_lists(h.wish, h.queue))
  end
end
