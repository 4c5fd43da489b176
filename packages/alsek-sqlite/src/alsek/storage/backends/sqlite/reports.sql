-- What is kept of the reports of workers on messages. A plain message meets none of these tables: the flag in the tail
-- of its header says whether there is anything.
--
-- Added after 0.1.0, whose processes know nothing of this: of messages that they end, the rows are swept.

CREATE TABLE reports (
    id          INTEGER PRIMARY KEY,
    ns          INTEGER NOT NULL,
    uuid        TEXT    NOT NULL,
    token       INTEGER NOT NULL,              -- the claim under which the last report came
    number      INTEGER NOT NULL,              -- the number of that report
    reported_at INTEGER NOT NULL,
    stored      INTEGER NOT NULL,              -- 1: the message is stored, and its tail has the flag
    expiry      INTEGER,                       -- once it is not
    last_line   INTEGER NOT NULL DEFAULT 0,    -- the number of the last line
    progress    BLOB,
    UNIQUE (ns, uuid)
);
CREATE INDEX reports_by_expiry ON reports (expiry) WHERE expiry IS NOT NULL;

-- Apart, so that a report of progress rewrites a small row.
CREATE TABLE report_checkpoints (
    report     INTEGER PRIMARY KEY,
    checkpoint BLOB NOT NULL
);

CREATE TABLE report_lines (
    report INTEGER NOT NULL,
    number INTEGER NOT NULL,
    line   BLOB    NOT NULL,
    PRIMARY KEY (report, number)
) WITHOUT ROWID;

CREATE TRIGGER report_removed AFTER DELETE ON reports
BEGIN
    DELETE FROM report_checkpoints WHERE report = OLD.id;
    DELETE FROM report_lines WHERE report = OLD.id;
END;
