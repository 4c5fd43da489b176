-- The forms of outcomes: shared/outcomes.lua has their letters.

-- How many arguments an outcome of this kind has. Nearly all are an F or S, and a table would be made anew in each call.
local function width_of(kind)
  return kind == 'F' and 3 or kind == 'S' and 6 or tonumber(string.match('T5U6D5V5R3L4A7C10G2H1X2B8M10N8', kind .. '(%d+)'))
end

-- Whether it is none, but follows one, or stands among them.
local function is_follower(kind)
  return kind ~= 'F' and kind ~= 'S' and string.find('CGHXBMN', kind, 1, true) ~= nil
end
