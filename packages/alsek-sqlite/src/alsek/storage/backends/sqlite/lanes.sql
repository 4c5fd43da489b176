-- The lanes that have something ready, by the names of their queues: a worker finds the next queue to take from in the
-- first rows of a few lanes, however many queues there are. Triggers fill the table, so that 0.1.0 fills it as well.
--
-- Added after 0.1.0: a file that 0.1.0 made gets this table when a newer version first opens it.

CREATE TABLE lanes (
    ns    INTEGER NOT NULL,
    code  INTEGER NOT NULL,  -- wish * 2 + suspect: the lane's number within its queue
    name  TEXT    NOT NULL,  -- of the queue
    queue INTEGER NOT NULL,
    PRIMARY KEY (ns, code, name)
) WITHOUT ROWID;

-- The trigger `lane_filled` is in pauses.sql. Both are replaced in async_lanes.sql.

CREATE TRIGGER lane_emptied AFTER DELETE ON ready
WHEN NOT EXISTS (SELECT 1 FROM ready WHERE lane = OLD.lane)
BEGIN
    DELETE FROM lanes WHERE (ns, code, name) = (
        SELECT ns, OLD.lane % 8, name FROM queues WHERE id = OLD.lane / 8);
END;

-- If the file is not new, fill the table: this hops from lane to lane.
INSERT INTO lanes (ns, code, name, queue)
WITH RECURSIVE hop (lane) AS (
    SELECT min(lane) FROM ready
    UNION ALL
    SELECT (SELECT min(lane) FROM ready WHERE lane > hop.lane) FROM hop WHERE hop.lane IS NOT NULL)
SELECT q.ns, hop.lane % 8, q.name, q.id FROM hop JOIN queues AS q ON q.id = hop.lane / 8;
