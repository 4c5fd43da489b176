-- Wake another sleeper for what this worker might have taken, if anything waits.
-- Returns: nothing
-- Needs: base wakeup_tokens effects ready_sets
-- Rarely: merge
commit()
pass_on(ROOMS)
if POLICY ~= 'freely' then pass_on({ 'suspects:' }) end
