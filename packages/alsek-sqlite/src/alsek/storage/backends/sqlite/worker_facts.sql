-- What workers tell of themselves, and which tasks they have.
--
-- Added after 0.1.0, whose workers tell nothing; a trigger forgets what newer ones told if 0.1.0 takes them over.

CREATE TABLE worker_facts (
    worker        INTEGER PRIMARY KEY,
    registered_at INTEGER NOT NULL,
    kind          TEXT,                          -- this and the two below: NULL if it told nothing
    queues        TEXT,                          -- JSON: the names of its queues, or null for all
    facts         TEXT,                          -- JSON
    any_task      INTEGER NOT NULL DEFAULT 0,    -- 1: it takes messages of any task
    running       TEXT                           -- JSON: what runs, as its last renewal said
);

CREATE TABLE worker_tasks (
    ns     INTEGER NOT NULL,
    task   TEXT    NOT NULL,
    worker INTEGER NOT NULL,
    PRIMARY KEY (ns, task, worker)
) WITHOUT ROWID;
CREATE INDEX worker_tasks_by_worker ON worker_tasks (worker);

-- The tasks of workers that were forgotten: until then another worker may come that has them.
CREATE TABLE gone_tasks (
    ns    INTEGER NOT NULL,
    task  TEXT    NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (ns, task)
) WITHOUT ROWID;

CREATE TRIGGER worker_forgotten AFTER DELETE ON workers
BEGIN
    DELETE FROM worker_facts WHERE worker = OLD.id;
    DELETE FROM worker_tasks WHERE worker = OLD.id;
END;
