"""Whatever happens, in whatever order: the counts of limits agree with what is in the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from alsek.storage.backends.records import (
    Failed,
    Limit,
    Lost,
    Outcome,
    Released,
    Retried,
    SetAside,
    Submission,
    UniqueKey,
    WorkerFacts,
)
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.messages import settling
from tests.clock import Clock
from tests.unit.sqlite.fakes import Player, done

LIMITS = (Limit("a", 2), Limit("b", 3), Limit("a", 3, 50), Limit("z", 2, 100))

#: Of each: rows that must not be.
_STATES = " UNION ALL ".join(
    f"SELECT message FROM {t}" for t in ("ready", "delayed", "claims", "aside", "waiting")
)
WRONG = {
    "places that are not counted": """
        SELECT * FROM limits AS l WHERE used <> (SELECT count(*) FROM admitted WHERE limit_id = l.id)
            + coalesce((SELECT sum(messages) FROM starts WHERE limit_id = l.id), 0)""",
    "messages that wait and are not counted": """
        SELECT id FROM limits AS l WHERE waiting <> (
            SELECT count(*) FROM waiting AS w JOIN lines AS n ON n.id = w.line WHERE n.limit_id = l.id)
        UNION ALL
        SELECT id FROM queues AS q WHERE waiting <> (SELECT count(*) FROM waiting WHERE queue = q.id)""",
    "lines that do not have their messages, or are not at the place of the first": """
        SELECT * FROM lines AS n WHERE messages = 0 OR messages <> (SELECT count(*) FROM waiting WHERE line = n.id)
            OR (priority, arrival) <> (
                SELECT priority, arrival FROM waiting WHERE line = n.id ORDER BY priority, arrival LIMIT 1)""",
    "messages in no line": "SELECT * FROM waiting WHERE line <> 0 AND line NOT IN (SELECT id FROM lines)",
    "lines that stand at none of their limits": """
        SELECT * FROM lines AS n WHERE NOT EXISTS (
            SELECT 1 FROM limits WHERE id = n.limit_id AND instr(',' || n.name || ',', ',' || name || ','))""",
    "messages that are not counted": """
        SELECT id FROM queues AS q WHERE messages <> (SELECT count(*) FROM messages WHERE queue = q.id)""",
    "a due time that is not known": """
        SELECT limit_due FROM namespaces WHERE limit_due IS NOT (SELECT min(due) FROM limits)""",
    "messages in no state, or in two": f"""
        SELECT id FROM messages AS m WHERE 1 <> (SELECT count(*) FROM ({_STATES}) WHERE message = m.id)""",
    "entries without a message": f"SELECT message FROM ({_STATES}) WHERE message NOT IN (SELECT id FROM messages)",
    "too many at once": "SELECT * FROM limits WHERE per = 0 AND used > amount",
    "places of messages that are gone": "SELECT * FROM admitted WHERE uuid NOT IN (SELECT uuid FROM messages)",
    "places of messages that wait": "SELECT * FROM admitted WHERE message IN (SELECT message FROM waiting)",
    "room that nobody looks at": """
        SELECT * FROM limits WHERE waiting > 0 AND used < amount AND (due IS NULL OR due > :now)""",
    "limits of which nothing is left": "SELECT * FROM limits WHERE used = 0 AND waiting = 0 AND due IS NULL",
}  # fmt: skip


def _submission(random: Random, number: int) -> Submission:
    limits = sorted(random.sample(LIMITS, random.randint(0, 3)), key=lambda limit: limit.id)
    key = UniqueKey(
        f"k{random.randint(0, 3)}",
        random.choice(("ended", "started")),
        random.choice(("existing", "replace")),
        random.choice((0, 80)),
    )
    return Submission(
        f"m{number}",
        random.choice("qr"),
        b"",
        priority=random.randint(0, 1),
        delay=random.choice((0, 0, 30)),
        ttl=random.choice((0, 40)),
        limits=tuple(limits),
        unique=random.choice((None, key)),
    )


def _outcomes(random: Random, backend: SQLiteBackend, player: Player) -> Iterator[Outcome]:
    for claim in backend.messages.held(player.worker):
        uuid, queue, token = claim.uuid, claim.queue, claim.token
        choices: list[Any] = [
            None,
            done(claim),
            Retried(uuid, queue, token, random.choice((0, 20)), claim.retries + 1),
            Released(uuid, queue, token),
            Lost(uuid, queue, token, suspect=random.random() < 0.3),
            SetAside(uuid, queue, token, "t", b"{}", 100, wait=True),
            Failed(uuid, queue, token, b"{}", 100),
        ]
        outcome = random.choice(choices)
        if outcome is not None:
            yield outcome


def _meddle(random: Random, backend: SQLiteBackend, uuid: str) -> None:
    found = backend.messages.find(uuid)
    if found is not None:
        queue, messages = found.stored.queue, backend.messages
        ways = (
            lambda: messages.remove(queue, uuid),
            lambda: messages.fail(queue, uuid, b"{}", 100),
            lambda: messages.reschedule(Retried(uuid, queue, 0, random.choice((0, 25)), 1)),
        )
        random.choice(ways)()


@pytest.mark.parametrize("seed", range(6))
def test_counts_agree(
    timed: SQLiteBackend, clock: Clock, path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """After each of 200 random operations, with small batches; and in the end all messages have run."""
    monkeypatch.setattr(settling, "PROMOTION_BATCH", 5)
    random = Random(seed)
    players = [Player(timed, f"w{n}", queues=None, lease=10**9) for n in range(3)]
    looking = sqlite3.connect(path)
    for number in range(200):
        what, player = random.random(), random.choice(players)
        if what < 0.4:
            timed.messages.add([_submission(random, number)], f"request {number}")
        elif what < 0.7:
            player.step(*_outcomes(random, timed, player), limit=random.randint(0, 4))
        elif what < 0.85:
            _meddle(random, timed, f"m{random.randint(0, number)}")
        else:
            clock.now += random.choice((1, 10, 60))
        for name, statement in WRONG.items():
            assert looking.execute(statement, {"now": clock.now}).fetchall() == [], name
    looking.close()
    for suspects in ("alone", "only"):
        players.append(Player(timed, suspects, queues=None, lease=10**9, suspects=suspects))
        timed.messages.register(players[-1].worker, WorkerFacts("host", 1, "1", ("t",)))
    for _ in range(500):
        clock.now += 30
        for player in players:
            player.step(*map(done, timed.messages.held(player.worker)), limit=5)
        if not any(timed.messages.count(queue) for queue in "qr"):
            break
    assert timed.messages.queues() == []
