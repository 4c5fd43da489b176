-- Wake another sleeper for what this worker might have taken, if anything waits.
-- Returns: nothing
-- Needs: ready_sets
commit()
pass_on(CLASSES)
if POLICY ~= 'freely' then pass_on({ 'suspects:' }) end
