-- Callbacks that will not be submitted.
-- Needs: result_channel

-- Note of these uuids (with line feeds between them) that `because_of` has failed, and tell the processes that wait for them.
local function note_unreachable(uuids, because_of)
  for uuid in string.gmatch(uuids, '[^\n]+') do
    call('SET', P .. 'unreachable:' .. uuid, because_of, 'PX', '@failed_parent_ttl@')
    publish_result(uuid)
  end
end
