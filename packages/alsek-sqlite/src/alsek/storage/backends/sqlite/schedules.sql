-- Schedules: at which tick each stands, and when it is to be offered to a worker.
--
-- Added after 0.1.0, whose workers fire none.

CREATE TABLE schedules (
    id           INTEGER PRIMARY KEY,
    ns           INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    revision     TEXT    NOT NULL,
    next_at      INTEGER,                       -- the tick at which it stands; NULL: none is left
    offer        INTEGER,                       -- when it is offered next; NULL: never, as it is paused or has no tick
    last_at      INTEGER,
    last_uuid    TEXT    NOT NULL DEFAULT '',
    paused_by    TEXT    NOT NULL DEFAULT '',
    paused_since INTEGER NOT NULL DEFAULT 0,
    definition   BLOB    NOT NULL,
    UNIQUE (ns, name)
);
CREATE INDEX schedules_by_offer ON schedules (ns, offer) WHERE offer IS NOT NULL;

-- The smallest `offer` of the schedules of the namespace.
ALTER TABLE namespaces ADD COLUMN schedule_due INTEGER;
-- 1: it fires schedules.
ALTER TABLE worker_facts ADD COLUMN fires INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER schedule_made AFTER INSERT ON schedules WHEN NEW.offer IS NOT NULL
BEGIN
    UPDATE namespaces SET schedule_due = min(coalesce(schedule_due, NEW.offer), NEW.offer) WHERE id = NEW.ns;
END;

CREATE TRIGGER schedule_offer_changed AFTER UPDATE OF offer ON schedules WHEN NEW.offer IS NOT OLD.offer
BEGIN
    UPDATE namespaces
    SET schedule_due = (SELECT offer FROM schedules WHERE ns = NEW.ns AND offer IS NOT NULL ORDER BY offer LIMIT 1)
    WHERE id = NEW.ns;
END;

CREATE TRIGGER schedule_removed AFTER DELETE ON schedules WHEN OLD.offer IS NOT NULL
BEGIN
    UPDATE namespaces
    SET schedule_due = (SELECT offer FROM schedules WHERE ns = OLD.ns AND offer IS NOT NULL ORDER BY offer LIMIT 1)
    WHERE id = OLD.ns;
END;
