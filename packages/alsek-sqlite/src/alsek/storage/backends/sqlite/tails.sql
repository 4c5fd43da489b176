-- The tail of a message's header: the fields that no store reads. schema.sql has it in a new file.
--
-- Added after 0.1.0 and lanes.sql: a file without it gets the columns when a newer version first opens it. An older
-- process that has the file open goes on: its statements name their columns, so new rows of it have an empty tail, and
-- what it changes in a row leaves the tail as it is.

ALTER TABLE messages ADD COLUMN tail TEXT NOT NULL DEFAULT '';
ALTER TABLE dead ADD COLUMN tail TEXT NOT NULL DEFAULT '';
