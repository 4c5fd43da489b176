-- Store a new group; one without members joins in this step.
-- ARGV[2] request; the group from ARGV[3] on, as in shared/group_creation.lua; ARGV[7] is its parent
-- Returns: 1 if it was stored, now or before by the same request; 0 if another request has stored one of this id, or if its
-- parent is not stored
-- Needs: counts effects first_due
-- With groups: group_creation groups
local stored = call('HGET', P .. 'group:' .. ARGV[3], 'request')
if stored then return stored == ARGV[2] and 1 or 0 end
local outer = string.match(ARGV[7], '^(.*):%d+$')
if outer then
  rarely().with_groups().group_of(outer)
  call('SCARD', P .. 'nested:' .. outer)
end
read_first_due()
commit()
if not rarely().with_groups().create_group(3, ARGV[2]) then return 0 end
groups_noted = true
apply_effects()
return 1
