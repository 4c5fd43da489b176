-- Reports among the outcomes of a step or retirement.
-- Needs: reports

-- Take in the report that begins at ARGV[i], unless the outcome of its claim came before. `fields` and `entries` are the uuids
-- of the outcomes and their claims, which the first report changes; `refused` and `tokens` are the answer of the outcomes.
local function take_in_among_outcomes(claims, i, accepted_uuids, fields, entries, refused, tokens)
  local uuid = ARGV[i + 1]
  local accepted, claim
  if not accepted_uuids[uuid] then accepted, claim = take_in_report(claims, i) end
  local list = accepted and tokens or refused
  list[#list + 1] = accepted and ARGV[i + 2] or uuid
  for n = 1, claim and #fields or 0 do
    if fields[n] == uuid then entries[n] = claim end
  end
end
