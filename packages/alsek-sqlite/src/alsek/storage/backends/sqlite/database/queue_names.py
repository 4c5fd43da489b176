"""The names of queues by their ids.

An id never stands for another name later (see schema.sql), so a name that was once read from the file stays right as
long as the file is the same one. What a transaction has read is kept only once it is committed: an id that was rolled
back may be given to another queue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alsek.storage.backends.sqlite.database.transaction import QUEUE, Transaction

#: How many names a process keeps.
_MOST_KEPT: Final = 10_000

_NUMBER: Final = f"SELECT {QUEUE}"


def queue_name(tx: Transaction, queue: int) -> str:
    """The name of a queue of which something is stored, by its id."""
    name = tx.kept_names.get(queue) or tx.read_names.get(queue)
    if name is None:
        (name,) = tx.execute("SELECT name FROM queues WHERE id = ?", (queue,)).fetchone()
        tx.read_names[queue] = name
    return name


def queue_number(tx: Transaction, name: str) -> int:
    """The id of a queue, which has a row."""
    (number,) = tx.execute(_NUMBER, (tx.ns, name)).fetchone()
    return int(number)


def keep_names(kept: dict[int, str], read: Mapping[int, str]) -> None:
    """Keep for later transactions the names that a committed one has read."""
    if len(kept) > _MOST_KEPT:
        kept.clear()
    kept.update(read)
