-- Groups: what is counted of the members, and what follows when all have ended. What is in no group meets none of these
-- tables.
--
-- Added after 0.1.0, whose processes know of no groups: they end members uncounted.

CREATE TABLE message_groups (
    id        INTEGER PRIMARY KEY,
    ns        INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    request   TEXT    NOT NULL,             -- the call that created it
    total     INTEGER NOT NULL,
    succeeded INTEGER NOT NULL DEFAULT 0,   -- those that are groups and have joined are among them
    failed    INTEGER NOT NULL DEFAULT 0,
    revoked   INTEGER NOT NULL DEFAULT 0,
    state     TEXT    NOT NULL DEFAULT 'open',
    stop      INTEGER NOT NULL,             -- 1: the first member that does not succeed fails it
    failure   INTEGER,                      -- the number of the member because of which it failed
    ttl       INTEGER NOT NULL,             -- -1: it is kept without end
    parent    TEXT,                         -- its own place in another group: the name of that one, and its number
    number    INTEGER,
    within    INTEGER,                      -- the id of that one, as long as it has a row
    callback  TEXT    NOT NULL,             -- the uuid; empty: it has none
    ended     INTEGER,                      -- since when nothing follows of it: its callback has ended too
    expiry    INTEGER,                      -- once it has ended, if it is within no other
    UNIQUE (ns, name)
);
CREATE INDEX message_groups_within ON message_groups (within) WHERE within IS NOT NULL;
CREATE INDEX message_groups_by_expiry ON message_groups (expiry) WHERE expiry IS NOT NULL;

-- What follows when it ends, while it is open. Apart, so that counting a member rewrites a small row.
CREATE TABLE group_callbacks (
    id          INTEGER PRIMARY KEY,        -- that of the group
    unreachable TEXT NOT NULL,              -- JSON: the uuids that will not be submitted if it does not join
    header      TEXT,                       -- JSON: what the submission is besides its payload; NULL: no callback
    payload     BLOB
);

CREATE TABLE group_members (
    place   INTEGER PRIMARY KEY,            -- the group's id * 2^32 + the member's number
    uuid    TEXT    NOT NULL,               -- the message with which it ended
    how     TEXT    NOT NULL,
    payload BLOB    NOT NULL
);

-- Callbacks that will not be submitted, because a message before them has failed.
CREATE TABLE failed_parents (
    ns     INTEGER NOT NULL,
    uuid   TEXT    NOT NULL,
    parent TEXT    NOT NULL,
    expiry INTEGER NOT NULL,
    PRIMARY KEY (ns, uuid)
) WITHOUT ROWID;
CREATE INDEX failed_parents_by_expiry ON failed_parents (expiry);
