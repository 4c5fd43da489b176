-- Revoke a group, and the groups in it: those of them that are open.
-- ARGV[2] group
-- Returns: 1, or 0 if it is not stored
-- Needs: counts effects first_due
-- With groups: group_closing groups
local found, n = { ARGV[2] }, 1
if not rarely().with_groups().group_of(ARGV[2]) then return 0 end
while found[n] do
  rarely().with_groups().group_of(found[n])
  for _, nested in ipairs(call('SMEMBERS', P .. 'nested:' .. found[n])) do found[#found + 1] = nested end
  n = n + 1
end
read_first_due()
commit()
for _, id in ipairs(found) do rarely().with_groups().revoke_group(id) end
groups_noted = true
apply_effects()
return 1
