-- The dead letter of this uuid.
-- ARGV[2] queue, ARGV[3] uuid
-- Returns: nil, or its bytes
-- Needs: dead_letter_lookup
return letter_exists(ARGV[3], ARGV[2]) and call('GET', P .. 'letters:' .. ARGV[3] .. '\n' .. ARGV[2])
