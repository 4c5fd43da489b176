-- Messages that are set aside: ready, but only for workers that have their task. Claims of other workers read `ready`
-- and never meet them; only the table of their lanes is looked at, for whether it is empty.
--
-- Added after 0.1.0, whose processes neither set messages aside nor find those that are.

-- The lanes that have something set aside. Triggers count, and delete the row when nothing is left.
CREATE TABLE aside_lanes (
    id       INTEGER PRIMARY KEY,
    ns       INTEGER NOT NULL,
    task     TEXT    NOT NULL,
    queue    INTEGER NOT NULL,
    code     INTEGER NOT NULL,              -- wish * 2 + suspect, as in `lanes`
    messages INTEGER NOT NULL DEFAULT 0,
    UNIQUE (ns, task, queue, code)
);

CREATE TABLE aside (
    lane     INTEGER NOT NULL,              -- a row of aside_lanes
    priority INTEGER NOT NULL,
    arrival  INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    PRIMARY KEY (lane, priority, arrival)
) WITHOUT ROWID;
CREATE INDEX aside_by_message ON aside (message);

CREATE TRIGGER aside_added AFTER INSERT ON aside
BEGIN
    UPDATE aside_lanes SET messages = messages + 1 WHERE id = NEW.lane;
END;

CREATE TRIGGER aside_removed AFTER DELETE ON aside
BEGIN
    UPDATE aside_lanes SET messages = messages - 1 WHERE id = OLD.lane;
    DELETE FROM aside_lanes WHERE id = OLD.lane AND messages = 0;
END;
