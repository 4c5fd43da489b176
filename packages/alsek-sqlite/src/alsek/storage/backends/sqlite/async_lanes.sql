-- Keys of `ready` for the messages of `async def` tasks that name threads (wish 4): -(queue * 2 + suspect) - 1, for the
-- eight keys of a queue are those of the other wishes. In `lanes` and `aside_lanes` they have the codes 8 and 9.
--
-- Added after 0.1.0, which knows neither wish 3 nor wish 4: its processes take none of these messages. One of its
-- processes that promotes or gives back a message of wish 4 would put it into another queue; the documentation says
-- that workers are to be updated before producers.

DROP TRIGGER IF EXISTS message_added_ready;
DROP TRIGGER IF EXISTS lane_filled;
DROP TRIGGER IF EXISTS lane_emptied;

CREATE TRIGGER message_made_ready AFTER INSERT ON messages WHEN NEW.due IS NULL
BEGIN
    INSERT INTO ready (lane, priority, arrival, message)
    VALUES (CASE NEW.wish WHEN 4 THEN -NEW.queue * 2 - 1 ELSE NEW.queue * 8 + NEW.wish * 2 END,
        NEW.priority, NEW.arrival, NEW.id);
    UPDATE queues SET messages = messages + 1, arrivals = NEW.arrival WHERE id = NEW.queue;
END;

CREATE TRIGGER lane_filled AFTER INSERT ON ready
WHEN NOT EXISTS (
    SELECT 1 FROM ready WHERE lane = NEW.lane AND (priority, arrival) <> (NEW.priority, NEW.arrival))
BEGIN
    INSERT INTO lanes (ns, code, name, queue)
    SELECT ns, CASE WHEN NEW.lane < 0 THEN 8 + (-NEW.lane - 1) % 2 ELSE NEW.lane % 8 END, name, id FROM queues
    WHERE id = CASE WHEN NEW.lane < 0 THEN (-NEW.lane - 1) / 2 ELSE NEW.lane / 8 END
    AND NOT EXISTS (SELECT 1 FROM pauses WHERE pauses.queue = queues.id);
END;

CREATE TRIGGER lane_emptied AFTER DELETE ON ready
WHEN NOT EXISTS (SELECT 1 FROM ready WHERE lane = OLD.lane)
BEGIN
    DELETE FROM lanes WHERE (ns, code, name) = (
        SELECT ns, CASE WHEN OLD.lane < 0 THEN 8 + (-OLD.lane - 1) % 2 ELSE OLD.lane % 8 END, name FROM queues
        WHERE id = CASE WHEN OLD.lane < 0 THEN (-OLD.lane - 1) / 2 ELSE OLD.lane / 8 END);
END;
