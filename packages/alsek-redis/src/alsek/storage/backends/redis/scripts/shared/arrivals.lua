-- What comes from another store.
-- Needs: dead_letters ttl
-- With reports: report_arrivals

-- How long something is kept that expires at `expiry` ('' for never), as text; nil if it has expired.
local function lives(expiry)
  if expiry == '' then return '-1' end
  return tonumber(expiry) > NOW and int(expiry - NOW) or nil
end

-- Store and publish a status as it was in the other store.
local function take_in_status(uuid, packed, expiry)
  local ttl = lives(expiry)
  if not ttl then return end
  set_for(P .. 'statuses:' .. uuid, packed, ttl)
  try('PUBLISH', C .. 'statuses:' .. uuid, packed)
end

-- Store a dead letter, as dead_letter(), and what was kept of reports ('' for nothing).
local function take_in_letter(uuid, queue, payload, error_text, ttl, tail, at, reports)
  dead_letter(uuid, queue, payload, error_text, ttl, tail, at)
  if reports ~= '' then rarely().with_reports().take_in_report_copy(uuid, reports, ttl, true) end
end
