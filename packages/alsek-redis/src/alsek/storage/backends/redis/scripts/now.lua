-- The time on the store's clock.
-- Returns: Unix milliseconds
return NOW
