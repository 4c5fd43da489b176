-- All classes of ready sets, whichever worker may take from them: see shared/ready_sets.lua.
local ALL_WISHES, PLAIN_CLASSES = @all_wishes@, { 'ready:', 'suspects:' }
local aside_classes

-- The n-th class: those of plain messages, and then two for each task for which messages are set aside: see shared/set_aside.lua.
local function class_number(n)
  if n <= #PLAIN_CLASSES then return PLAIN_CLASSES[n] end
  if not aside_classes then
    aside_classes = {}
    for _, task in ipairs(try('SMEMBERS', P .. 'aside')) do
      aside_classes[#aside_classes + 1] = 'aside:' .. task .. '\n'
      aside_classes[#aside_classes + 1] = 'suspects-aside:' .. task .. '\n'
    end
  end
  return aside_classes[n - #PLAIN_CLASSES]
end
