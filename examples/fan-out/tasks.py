"""The tasks of this example: `alsek process-pool tasks` runs them."""

from __future__ import annotations

import os
from collections import Counter

from alsek import Broker, Group, Message, ResultStore, SQLiteBackend, task

backend = SQLiteBackend(os.environ.get("FAN_OUT_DB", "fan-out.db"))
result_store = ResultStore(backend)
broker = Broker(backend, result_store=result_store)


@task(broker)
def count(piece: list[str]) -> dict[str, int]:
    """Count the words of a piece."""
    return Counter(word for line in piece for word in line.lower().split())


@task(broker)
def add_up(message: Message) -> list[tuple[str, int]]:
    """Add up the counts of all pieces, and return the most frequent words."""
    total: Counter[str] = Counter()
    for counts in message.previous_result:
        total.update(counts)
    return total.most_common(5)


def count_book(lines: list[str], piece: int = 100) -> Group:
    """Submit the pieces of a book, so many lines each, and what follows them."""
    pieces = ((lines[start : start + piece],) for start in range(0, len(lines), piece))
    group = Group(count.defer().generate_many(pieces), callback=add_up.defer().generate())
    group.submit()
    return group
