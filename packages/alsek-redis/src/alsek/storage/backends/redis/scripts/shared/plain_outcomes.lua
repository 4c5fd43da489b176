-- Outcomes of messages that have succeeded, if nothing but the status and the result depends on them. shared/outcomes.lua has their forms.
-- Needs: counts end_message leave_claimed
-- Later: result status
local uuids, held = {}, {}

-- The uuids of the outcomes in ARGV[first] to ARGV[last]; nil if one is of another form, has a progenitor, or if they are many.
local function plain_uuids(first, last)
  local i = first
  while i <= last do
    local kind = ARGV[i]
    if #uuids == 100 or kind ~= 'F' and (kind ~= 'S' or ARGV[i + 4] ~= '') then return nil end
    uuids[#uuids + 1] = ARGV[i + 1]
    i = i + (kind == 'F' and 3 or 6)
  end
  return uuids
end

-- Whether all of them can be accepted, given what is claimed, behind the worker's line.
local function are_held(entries, first)
  local i, seen = first, {}
  for n, uuid in ipairs(uuids) do
    local token, status_ttl, request, tail, queue = string.match(entries[n + 1] or '', TO_FINISH)
    if token ~= ARGV[i + 2] or tail ~= '' or seen[uuid] then return false end
    seen[uuid] = true
    held[n] = { i, token, status_ttl, request, queue }
    i = i + (ARGV[i] == 'F' and 3 or 6)
  end
  return true
end

-- Apply them.
local function apply_plain(claims)
  for n, uuid in ipairs(uuids) do
    local i, token, status_ttl, request, queue = unpack(held[n])
    end_message(uuid, queue, 'succeeded', request, '', status_ttl)
    if ARGV[i] == 'S' then later().write_result(uuid, ARGV[i + 5], ARGV[i + 3], token, '') end
    if status_ttl ~= '0' then later().write_status(uuid, @SUCCEEDED@, status_ttl) end
  end
  leave_claimed(claims, uuids)
  write_ends()
  write_counts()
end
