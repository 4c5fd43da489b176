-- Alsek's tables, version 2, together with the other scripts beside this one. The first process that opens a file
-- creates them, in one transaction.
--
-- A message is one row of `messages`, which rarely changes, and one small row in exactly one of `ready`, `delayed`
-- and `claims`, which is its state. So a claim never rewrites a payload, the claim query reads the first entries of a
-- b-tree, and its cost does not grow with the number of messages.
--
-- Long names are replaced by ids: `ns` is the id of a namespace, `queue` that of a queue (which implies the
-- namespace), `worker` that of a worker. All times are Unix milliseconds; a `ttl` is in milliseconds.

CREATE TABLE namespaces (
    id      INTEGER PRIMARY KEY,
    name    TEXT    NOT NULL UNIQUE,
    token   INTEGER NOT NULL DEFAULT 0,  -- the last claim token given out
    fence   INTEGER NOT NULL DEFAULT 0,  -- the last fence number given out, for any lock
    contact INTEGER NOT NULL DEFAULT 0   -- when a worker last reached the store
);

-- The row of a queue without messages and dead letters that is not paused is deleted by a sweep, unless it has the
-- highest id. So an id never stands for another name later, and processes may keep the names of ids.
CREATE TABLE queues (
    id       INTEGER PRIMARY KEY,
    ns       INTEGER NOT NULL,
    name     TEXT    NOT NULL,
    messages INTEGER NOT NULL DEFAULT 0,  -- how many it holds; the triggers below count
    arrivals INTEGER NOT NULL DEFAULT 0,  -- the last arrival number given out
    UNIQUE (ns, name)
);

CREATE TABLE messages (
    id         INTEGER PRIMARY KEY,
    ns         INTEGER NOT NULL,
    queue      INTEGER NOT NULL,
    uuid       TEXT    NOT NULL,
    request    TEXT    NOT NULL,              -- the call that submitted it
    priority   INTEGER NOT NULL,
    wish       INTEGER NOT NULL,              -- 0 any, 1 thread, 2 process, 3 any-async, 4 thread-async
    arrival    INTEGER NOT NULL,              -- its place among equal priorities of its queue
    due        INTEGER,                       -- while it is delayed: when it becomes ready
    ttl        INTEGER NOT NULL,              -- how long it may be ready; 0: without end
    expiry     INTEGER,                       -- once it is ready: when it expires
    status_ttl INTEGER NOT NULL,              -- 0: not tracked, -1: kept without end
    losses     INTEGER NOT NULL DEFAULT 0,
    suspect    INTEGER NOT NULL DEFAULT 0,
    revoked    INTEGER NOT NULL DEFAULT 0,
    version    INTEGER NOT NULL,              -- the lowest version of a record that can handle it
    tail       TEXT    NOT NULL DEFAULT '',   -- the fields of the header that no store reads
    payload    BLOB    NOT NULL               -- last, so that the columns before it are read without it
);
CREATE UNIQUE INDEX messages_by_uuid ON messages (ns, uuid);
CREATE INDEX messages_suspect ON messages (ns) WHERE suspect = 1;

-- lane = queue * 8 + wish * 2 + suspect, or another key: see async_lanes.sql. One kind of worker takes from a few lanes
-- of a queue.
CREATE TABLE ready (
    lane     INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    arrival  INTEGER NOT NULL,
    message  INTEGER NOT NULL,
    PRIMARY KEY (lane, priority, arrival)
) WITHOUT ROWID;

CREATE TABLE delayed (
    ns      INTEGER NOT NULL,
    due     INTEGER NOT NULL,
    message INTEGER NOT NULL,
    PRIMARY KEY (ns, due, message)
) WITHOUT ROWID;

CREATE TABLE claims (
    worker     INTEGER NOT NULL,
    token      INTEGER NOT NULL,
    seq        INTEGER NOT NULL,            -- the step that claimed it
    message    INTEGER NOT NULL,
    queue      INTEGER NOT NULL,
    uuid       TEXT    NOT NULL,
    expired    INTEGER NOT NULL,            -- bits; 1: had expired when claimed, 2: tail has bonds, 4: has reports
    status_ttl INTEGER NOT NULL,
    PRIMARY KEY (worker, token)
) WITHOUT ROWID;

CREATE TABLE workers (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    ns        INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    lease     INTEGER NOT NULL,             -- negative while an outage has prolonged it, and it has not been renewed
    lease_end INTEGER NOT NULL,
    seq       INTEGER,                      -- its last step that wrote
    answer    TEXT,                         -- the answer to that step, without its claims
    UNIQUE (ns, name)
);
CREATE INDEX workers_by_lease_end ON workers (ns, lease_end);

-- The uuids of messages that have ended, for DEDUP_WINDOW. Also, for each retired worker, the tokens that its
-- retirement accepted: `uuid` is then a line feed and the worker's id, and `request` the tokens. `bucket` is the time in
-- half windows, so that the oldest rows can be deleted without an index by time.
CREATE TABLE finished (
    ns      INTEGER NOT NULL,
    bucket  INTEGER NOT NULL,
    uuid    TEXT    NOT NULL,
    request TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    done    INTEGER NOT NULL,               -- 0: removed by hand, so its uuid is free
    PRIMARY KEY (ns, bucket, uuid)
) WITHOUT ROWID;

CREATE TABLE dead (
    id      INTEGER PRIMARY KEY,
    ns      INTEGER NOT NULL,
    queue   INTEGER NOT NULL,
    uuid    TEXT    NOT NULL,
    error   BLOB    NOT NULL,
    died_at INTEGER NOT NULL,
    expiry  INTEGER,
    tail    TEXT    NOT NULL DEFAULT '',    -- as it was in `messages`
    payload BLOB    NOT NULL,
    UNIQUE (queue, uuid)
);
CREATE INDEX dead_by_expiry ON dead (expiry) WHERE expiry IS NOT NULL;

-- The id grows with each write; descendants are listed in its order.
CREATE TABLE results (
    id         INTEGER PRIMARY KEY,
    ns         INTEGER NOT NULL,
    uuid       TEXT    NOT NULL,
    progenitor TEXT,
    at         INTEGER NOT NULL,
    token      INTEGER NOT NULL,
    expiry     INTEGER,
    payload    BLOB    NOT NULL,
    UNIQUE (ns, uuid)
);
CREATE INDEX results_by_progenitor ON results (ns, progenitor) WHERE progenitor IS NOT NULL;
CREATE INDEX results_by_expiry ON results (expiry) WHERE expiry IS NOT NULL;

-- A status is written several times in the life of a message. It ends at `expiry`. `sweep` only says when to check
-- that; it stays as it was first written, so that its index is not changed by later writes.
CREATE TABLE statuses (
    ns      INTEGER NOT NULL,
    uuid    TEXT    NOT NULL,
    status  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    expiry  INTEGER,
    sweep   INTEGER NOT NULL,
    details BLOB,
    PRIMARY KEY (ns, uuid)
) WITHOUT ROWID;
CREATE INDEX statuses_by_sweep ON statuses (sweep);

CREATE TABLE locks (
    ns     INTEGER NOT NULL,
    name   TEXT    NOT NULL,
    owner  TEXT    NOT NULL,
    expiry INTEGER NOT NULL,
    fence  INTEGER NOT NULL,
    PRIMARY KEY (ns, name)
) WITHOUT ROWID;
CREATE INDEX locks_by_expiry ON locks (expiry);

CREATE TABLE vals (
    ns     INTEGER NOT NULL,
    name   TEXT    NOT NULL,
    expiry INTEGER,
    value  BLOB    NOT NULL,
    PRIMARY KEY (ns, name)
) WITHOUT ROWID;
CREATE INDEX vals_by_expiry ON vals (expiry) WHERE expiry IS NOT NULL;

-- Published values that are too large for a datagram, for as long as subscribers may need to fetch them.
CREATE TABLE spool (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    expiry INTEGER NOT NULL,
    data   BLOB    NOT NULL
);

-- Replaced in async_lanes.sql.
CREATE TRIGGER message_added_ready AFTER INSERT ON messages WHEN NEW.due IS NULL
BEGIN
    INSERT INTO ready (lane, priority, arrival, message)
    VALUES (NEW.queue * 8 + NEW.wish * 2, NEW.priority, NEW.arrival, NEW.id);
    UPDATE queues SET messages = messages + 1, arrivals = NEW.arrival WHERE id = NEW.queue;
END;

CREATE TRIGGER message_added_delayed AFTER INSERT ON messages WHEN NEW.due IS NOT NULL
BEGIN
    INSERT INTO delayed (ns, due, message) VALUES (NEW.ns, NEW.due, NEW.id);
    UPDATE queues SET messages = messages + 1, arrivals = NEW.arrival WHERE id = NEW.queue;
END;

CREATE TRIGGER message_removed AFTER DELETE ON messages
BEGIN
    UPDATE queues SET messages = messages - 1 WHERE id = OLD.queue;
END;
