-- Wake another worker in place of this one, for each ready set with a message that this one could take.
-- Returns: nothing
-- Needs: ready_sets
commit()
any_waiting(CLASSES, true)
if POLICY ~= 'freely' then any_waiting(SUSPECTS, true) end
