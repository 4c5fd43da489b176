-- Writes dead letters; shared/dead_letter_lookup.lua describes their keys.
-- Needs: dead_letter_expiry index_ttl result_channel ttl

-- Store a dead letter for `ttl` ms (text): '0' stores nothing, '-1' for ever. The lists live as long as the longest-lived
-- letter in them. Then publish that there will be no result. `tail` is that of the header; nil if that can't be read. `at`
-- is when it died, if not now.
local function dead_letter(uuid, queue, payload, error_text, ttl, tail, at)
  if ttl ~= '0' then
    local order, expiries, queues = P .. 'dead:' .. queue, P .. 'fading:' .. queue, P .. 'dead'
    local died_at = int(at or NOW) .. ((tail or '') ~= '' and '^' .. tail or '')
    local letter = died_at .. '|' .. #error_text .. '|' .. error_text .. payload
    set_for(P .. 'letters:' .. uuid .. '\n' .. queue, letter, ttl)
    local left, left_of_all = call('PTTL', expiries), call('PTTL', queues)
    call('ZADD', order, call('HINCRBY', COUNTERS, 'death', 1) or int(NOW), uuid)
    call('ZADD', expiries, ttl == '-1' and '+inf' or int(NOW + ttl), uuid)
    call('SADD', queues, queue)
    extend_index(order, left, ttl)
    extend_index(expiries, left, ttl)
    extend_index(queues, left_of_all, ttl)
    remove_expired_letters(queue)
    remove_some_expired_letters(2)
  end
  publish_result(uuid)
end
