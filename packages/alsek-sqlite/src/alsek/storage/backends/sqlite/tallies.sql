-- How many messages of each queue are delayed. Triggers count, so that 0.1.0 counts as well; they cost messages that
-- are never delayed nothing. What is neither delayed nor in `claims` is ready.
--
-- Added after 0.1.0: a file without it gets the column when a newer version first opens it.

ALTER TABLE queues ADD COLUMN delayed INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER delayed_added AFTER INSERT ON delayed
BEGIN
    UPDATE queues SET delayed = delayed + 1 WHERE id = (SELECT queue FROM messages WHERE id = NEW.message);
END;

CREATE TRIGGER delayed_removed AFTER DELETE ON delayed
BEGIN
    UPDATE queues SET delayed = delayed - 1 WHERE id = (SELECT queue FROM messages WHERE id = OLD.message);
END;

-- If the file is not new, count once.
UPDATE queues SET delayed = counted.messages
FROM (SELECT m.queue, count(*) AS messages FROM delayed AS d JOIN messages AS m ON m.id = d.message GROUP BY m.queue)
    AS counted
WHERE queues.id = counted.queue;
