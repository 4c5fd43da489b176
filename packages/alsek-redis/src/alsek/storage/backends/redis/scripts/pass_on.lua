-- Wake another sleeper for what this worker might have taken, if anything waits.
-- Returns: nothing
-- Needs: ready_sets
commit()
any_waiting(CLASSES, true)
if POLICY ~= 'freely' then any_waiting({ 'suspects:' }, true) end
