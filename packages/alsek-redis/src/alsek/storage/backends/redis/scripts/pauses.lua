-- The queues that are paused.
-- Returns: flat, in no order: queue, since|by
return call('HGETALL', P .. 'paused')
