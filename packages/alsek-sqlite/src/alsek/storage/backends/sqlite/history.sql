-- What workers have counted, by minute. The minute comes first in the key, so that the oldest rows of all namespaces
-- are found without another index.
--
-- Added after 0.1.0.

CREATE TABLE history (
    minute INTEGER NOT NULL,                -- Unix time in minutes
    ns     INTEGER NOT NULL,
    queue  TEXT    NOT NULL,
    task   TEXT    NOT NULL,
    counts TEXT    NOT NULL,                -- key:number key:number …
    PRIMARY KEY (minute, ns, queue, task)
) WITHOUT ROWID;
