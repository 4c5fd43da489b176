-- The header of a record, read and written; its form is told in shared/base.lua.
local HEAD = '^1|([atp])|(%d+)|(%d+)|(%d+)|(%d+)|(%d+)|(%-?%d+)|([01])|([^|]*)|([^\n]+)\n()'
local CLAIM = '^(%d+)|(%d+)|(%d)|()'

-- The header at `from` in a record or claim as a table (its numbers are text), or nil if it is none.
local function parse(text, from)
  local wish, priority, arrival, losses, expiry, ttl, status_ttl, revoked, request, queue, body =
    string.match(text, HEAD, from)
  if not wish then return nil end
  return { wish = wish, priority = priority, arrival = arrival, losses = losses, expiry = expiry, ttl = ttl,
    status_ttl = status_ttl, revoked = revoked, request = request, queue = queue, body = body }
end

-- Of a claim: token, seq, flags (numbers) and header; nil if these bytes are none.
local function parse_claim(claim)
  local token, seq, flags, from = string.match(claim, CLAIM)
  if not token then return nil end
  return tonumber(token), tonumber(seq), tonumber(flags), parse(claim, from)
end

local function format(h)
  return '1|' .. h.wish .. '|' .. h.priority .. '|' .. h.arrival .. '|' .. h.losses .. '|' .. h.expiry .. '|' ..
    h.ttl .. '|' .. h.status_ttl .. '|' .. h.revoked .. '|' .. h.request .. '|' .. h.queue .. '\n'
end

-- The member of a ready set: first in, first out within a priority.
local function place_of(h, uuid)
  return string.format('%013d', h.arrival) .. uuid
end
