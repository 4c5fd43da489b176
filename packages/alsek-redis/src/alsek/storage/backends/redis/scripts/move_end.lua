-- End a move. If another move has replaced it, nothing changes.
-- ARGV[2] move, ARGV[3] 'out:', or 'in:', the name of the source and ':'
-- Returns: nothing
-- Flags: allow-oom
local key, side = P .. 'moves', ARGV[3]
if call('HGET', key, side .. 'move') ~= ARGV[2] then return end
commit()
for _, field in ipairs({ 'move', 'target', 'place', 'beat', 'batch', 'taken', 'data', 'done', 'late' }) do
  call('HDEL', key, side .. field)
end
