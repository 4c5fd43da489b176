-- Messages that wait: for a limit, or behind the message that holds their unique key. They are in neither `ready` nor
-- `delayed`, so that no claim meets them, however many there are.
--
-- Added after 0.1.0, whose processes know nothing of this. They take such a message for a claimed one, which they leave
-- alone, and what they promote or give back is not limited. All pools are to be updated before limits and unique keys
-- are used.

-- A limit is known as long as anything is admitted, waits, or has started within its window.
CREATE TABLE limits (
    id      INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    name    TEXT    NOT NULL,              -- c:<key> or r:<key>
    amount  INTEGER NOT NULL,              -- this and the next as the last submission said
    per     INTEGER NOT NULL,              -- 0: so many may run at once; else so many may start within this time
    used    INTEGER NOT NULL DEFAULT 0,    -- the rows of admitted, and what is counted in starts
    waiting INTEGER NOT NULL DEFAULT 0,
    due     INTEGER,                       -- when to look whether there is room: 0 for at once
    told    INTEGER,                       -- the last such time after which workers were told to wake
    UNIQUE (ns, name)
);
CREATE INDEX limits_by_due ON limits (ns, due) WHERE due IS NOT NULL;

-- The messages that take up a place: for a concurrency until they end or become ready again, for a rate until they
-- start.
CREATE TABLE admitted (
    limit_id INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    uuid     TEXT    NOT NULL,
    PRIMARY KEY (limit_id, message)
) WITHOUT ROWID;
CREATE INDEX admitted_by_message ON admitted (message);

CREATE TABLE starts (
    limit_id INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    PRIMARY KEY (limit_id, at)
) WITHOUT ROWID;

CREATE TABLE waiting (
    limit_id INTEGER NOT NULL,             -- 0: it waits behind the holder of its unique key
    priority INTEGER NOT NULL,
    arrival  INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    queue    INTEGER NOT NULL,
    task     TEXT    NOT NULL,             -- for which it is to be set aside; empty for none
    PRIMARY KEY (limit_id, priority, arrival, message)
) WITHOUT ROWID;
CREATE INDEX waiting_by_message ON waiting (message);

CREATE TABLE unique_keys (
    ns     INTEGER NOT NULL,
    key    TEXT    NOT NULL,
    holder TEXT    NOT NULL,               -- a uuid
    held   INTEGER NOT NULL,               -- 0: only the window is left
    until  INTEGER NOT NULL,               -- when the last window ends; 0: there was none
    behind TEXT    NOT NULL,               -- the uuid of the message that waits behind the holder; empty for none
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;
CREATE INDEX unique_keys_by_until ON unique_keys (until) WHERE held = 0;

ALTER TABLE queues ADD COLUMN waiting INTEGER NOT NULL DEFAULT 0;
-- The smallest `due` of the limits of the namespace; and the last arrival number of a message with limits: those are
-- ordered over all queues.
ALTER TABLE namespaces ADD COLUMN limit_due INTEGER;
ALTER TABLE namespaces ADD COLUMN arrivals INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER admitted_added AFTER INSERT ON admitted
BEGIN
    UPDATE limits SET used = used + 1 WHERE id = NEW.limit_id;
END;

-- Free places matter only if messages wait for them; a limit of which nothing is left is forgotten.
CREATE TRIGGER admitted_removed AFTER DELETE ON admitted
BEGIN
    UPDATE limits SET used = used - 1, due = CASE WHEN waiting > 0 OR used <= 1 THEN 0 ELSE due END
    WHERE id = OLD.limit_id;
END;

CREATE TRIGGER start_added AFTER INSERT ON starts
BEGIN
    UPDATE limits SET used = used + NEW.messages WHERE id = NEW.limit_id;
END;

CREATE TRIGGER start_counted AFTER UPDATE ON starts
BEGIN
    UPDATE limits SET used = used + NEW.messages - OLD.messages WHERE id = NEW.limit_id;
END;

CREATE TRIGGER start_removed AFTER DELETE ON starts
BEGIN
    UPDATE limits SET used = used - OLD.messages, due = CASE WHEN waiting > 0 OR used <= OLD.messages THEN 0 ELSE due END
    WHERE id = OLD.limit_id;
END;

CREATE TRIGGER waiting_added AFTER INSERT ON waiting
BEGIN
    UPDATE queues SET waiting = waiting + 1 WHERE id = NEW.queue;
    UPDATE limits SET waiting = waiting + 1, due = 0 WHERE id = NEW.limit_id;
END;

CREATE TRIGGER waiting_removed AFTER DELETE ON waiting
BEGIN
    UPDATE queues SET waiting = waiting - 1 WHERE id = OLD.queue;
    UPDATE limits SET waiting = waiting - 1, due = 0 WHERE id = OLD.limit_id;
END;

CREATE TRIGGER limit_made AFTER INSERT ON limits WHEN NEW.due IS NOT NULL
BEGIN
    UPDATE namespaces SET limit_due = min(coalesce(limit_due, NEW.due), NEW.due) WHERE id = NEW.ns;
END;

CREATE TRIGGER limit_due_changed AFTER UPDATE OF due ON limits WHEN NEW.due IS NOT OLD.due
BEGIN
    UPDATE namespaces
    SET limit_due = (SELECT due FROM limits WHERE ns = NEW.ns AND due IS NOT NULL ORDER BY due LIMIT 1)
    WHERE id = NEW.ns;
END;

CREATE TRIGGER limit_forgotten AFTER DELETE ON limits WHEN OLD.due IS NOT NULL
BEGIN
    UPDATE namespaces
    SET limit_due = (SELECT due FROM limits WHERE ns = OLD.ns AND due IS NOT NULL ORDER BY due LIMIT 1)
    WHERE id = OLD.ns;
END;

-- A new message with limits or a unique key is added with -1, and placed by statements of its own.
DROP TRIGGER IF EXISTS message_added_delayed;

CREATE TRIGGER message_made_delayed AFTER INSERT ON messages WHEN NEW.due >= 0
BEGIN
    INSERT INTO delayed (ns, due, message) VALUES (NEW.ns, NEW.due, NEW.id);
    UPDATE queues SET messages = messages + 1, arrivals = NEW.arrival WHERE id = NEW.queue;
END;
