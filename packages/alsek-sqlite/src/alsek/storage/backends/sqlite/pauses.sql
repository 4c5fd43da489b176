-- Paused queues. While a queue is paused it has no rows in `lanes`: no claim, no look for what is ready and no wake-up
-- meets it, whatever waits in it. Its row in `queues` stays as long as it is paused.
--
-- Added after 0.1.0 and lanes.sql. Processes of 0.1.0 read `ready` alone: they know of no pauses.

CREATE TABLE pauses (
    queue INTEGER PRIMARY KEY,
    who   TEXT    NOT NULL,
    since INTEGER NOT NULL
);

DROP TRIGGER IF EXISTS lane_filled;

CREATE TRIGGER lane_filled AFTER INSERT ON ready
WHEN NOT EXISTS (
    SELECT 1 FROM ready WHERE lane = NEW.lane AND (priority, arrival) <> (NEW.priority, NEW.arrival))
BEGIN
    INSERT INTO lanes (ns, code, name, queue)
    SELECT ns, NEW.lane % 8, name, id FROM queues
    WHERE id = NEW.lane / 8 AND NOT EXISTS (SELECT 1 FROM pauses WHERE pauses.queue = queues.id);
END;
