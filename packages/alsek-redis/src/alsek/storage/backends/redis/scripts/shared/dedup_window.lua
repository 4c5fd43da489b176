-- For how long (ms) the uuids of messages that are no more are remembered: in one hash for each half of the window.
local WINDOW, SPAN, REMEMBERED = 60000, 30000, '90000'
local HALF = math.floor(NOW / SPAN)
