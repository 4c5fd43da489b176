-- Which uuids are new.
-- Needs: dedup_window fetch header

-- The uuids that requests_of() has found as those of messages that have taken another's place: uuid -> that one's, escaped.
local stored_under = {}

-- By uuid: the request that submitted its message ('' if the record can't be read); nil if there was no message within
-- the window. Second: the uuids whose message was ended by hand; they are new to every other request.
-- Uuids of ended messages are in one hash for each half of the window: uuid -> offset in it|request, and a '|' if ended
-- by hand; if the message has taken the place of another one, request;>uuid of that one. A stored message counts before
-- these entries, and a newer entry before an older one.
local function requests_of(uuids)
  local found, removed = {}, {}
  for half = HALF - WINDOW / SPAN, HALF do
    for n, entry in ipairs(fetch(P .. 'finished:' .. half, uuids)) do
      if entry then
        local offset, request, more, by_hand = string.match(entry, '^(%d+)|([^|;]*)([^|]*)(|?)$')
        if offset and half * SPAN + offset + WINDOW > NOW then
          found[uuids[n]], removed[uuids[n]] = request, by_hand == '|' or nil
          if more ~= '' then stored_under[uuids[n]] = string.match(more, '^;>(.*)$') end
        end
      end
    end
  end
  for n, record in ipairs(fetch(MESSAGES, uuids)) do
    if record then found[uuids[n]], removed[uuids[n]] = (parse(record) or { request = '' }).request, nil end
  end
  return found, removed
end
