-- What a store notes of moves to and from other stores, by field (see move_book.py of alsek-core).
--
-- Added after 0.1.0: a file without it gets the table when a newer version first opens it.

CREATE TABLE moves (
    ns    INTEGER NOT NULL,
    field TEXT    NOT NULL,
    value BLOB    NOT NULL,
    PRIMARY KEY (ns, field)
) WITHOUT ROWID;
