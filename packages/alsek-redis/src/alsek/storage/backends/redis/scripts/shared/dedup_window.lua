-- For how long (ms) the uuids of ended messages are remembered: in one hash for each half of the window.
local WINDOW, SPAN, REMEMBERED = @dedup_window@, @dedup_span@, '@remembered@'
local HALF = math.floor(NOW / SPAN)
