-- Lines: messages with the same set of limits wait together, and stand at one of these limits.
--
-- Added after limits.sql, with which messages waited for a limit each by itself. Those that do are a line here: of that
-- limit alone, whatever else they name. Each is let in when its turn comes, or goes to its own line.

ALTER TABLE waiting RENAME COLUMN limit_id TO line;    -- 0: behind the holder of its unique key

CREATE TABLE lines (
    id       INTEGER PRIMARY KEY,
    ns       INTEGER NOT NULL,
    name     TEXT    NOT NULL,             -- the names of all limits of its messages, in order, with commas
    limit_id INTEGER NOT NULL,             -- at which it stands
    messages INTEGER NOT NULL DEFAULT 0,
    priority INTEGER NOT NULL,             -- this and the next of its first message
    arrival  INTEGER NOT NULL,
    UNIQUE (ns, name)
);
CREATE INDEX lines_by_place ON lines (limit_id, priority, arrival);

INSERT INTO lines (id, ns, name, limit_id, messages, priority, arrival)
SELECT l.id, l.ns, l.name, l.id, l.waiting, w.priority, w.arrival FROM limits AS l JOIN waiting AS w ON w.line = l.id
WHERE w.message = (SELECT message FROM waiting WHERE line = l.id ORDER BY priority, arrival, message LIMIT 1);

DROP TRIGGER waiting_added;
CREATE TRIGGER waiting_joined AFTER INSERT ON waiting
BEGIN
    UPDATE queues SET waiting = waiting + 1 WHERE id = NEW.queue;
    UPDATE lines SET messages = messages + 1 WHERE id = NEW.line;
    UPDATE lines SET priority = NEW.priority, arrival = NEW.arrival
    WHERE id = NEW.line AND (priority, arrival) > (NEW.priority, NEW.arrival);
    UPDATE limits SET waiting = waiting + 1 WHERE id = (SELECT limit_id FROM lines WHERE id = NEW.line);
END;

-- A line without messages is gone.
DROP TRIGGER waiting_removed;
CREATE TRIGGER waiting_left AFTER DELETE ON waiting
BEGIN
    UPDATE queues SET waiting = waiting - 1 WHERE id = OLD.queue;
    UPDATE limits SET waiting = waiting - 1 WHERE id = (SELECT limit_id FROM lines WHERE id = OLD.line);
    UPDATE lines SET messages = messages - 1 WHERE id = OLD.line;
    DELETE FROM lines WHERE id = OLD.line AND messages = 0;
    UPDATE lines SET (priority, arrival) = (
        SELECT priority, arrival FROM waiting WHERE line = OLD.line ORDER BY priority, arrival LIMIT 1)
    WHERE id = OLD.line AND priority = OLD.priority AND arrival = OLD.arrival;
END;

-- What stands at a limit has changed, so it is looked at: it may have room, be due at another time, or be forgotten.
CREATE TRIGGER line_made AFTER INSERT ON lines
BEGIN
    UPDATE limits SET due = 0 WHERE id = NEW.limit_id;
END;

CREATE TRIGGER line_moved AFTER UPDATE OF limit_id ON lines
BEGIN
    UPDATE limits SET waiting = waiting - OLD.messages, due = 0 WHERE id = OLD.limit_id;
    UPDATE limits SET waiting = waiting + NEW.messages, due = 0 WHERE id = NEW.limit_id;
END;

CREATE TRIGGER line_gone AFTER DELETE ON lines
BEGIN
    UPDATE limits SET due = 0 WHERE id = OLD.limit_id;
END;
