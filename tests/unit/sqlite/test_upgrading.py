"""Files that Alsek 0.1.0 made: what is in them is found, and both versions may use them at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alsek.storage.backends.records import Limit, Retried
from alsek.storage.backends.sqlite import SQLiteBackend
from alsek.storage.backends.sqlite.database import connection
from alsek.storage.backends.sqlite.database import expiry as sweeping
from alsek.storage.backends.sqlite.database.connection import APPLICATION_ID, LASTING_QUEUES
from tests.clock import Clock
from tests.contract.workers import not_mine, the_facts
from tests.unit.sqlite.fakes import Player, Process, done, says, submit, tell

OLD_SCHEMA = Path(__file__).with_name("schema_of_0_1_0.sql")

#: The statements of 0.1.0 that touch what is ready.
_OLD_ADD = """
    INSERT INTO messages
        (ns, queue, uuid, request, priority, wish, arrival, due, ttl, expiry, status_ttl, version, payload)
    SELECT ns, id, ?, '', 0, 0, arrivals + 1, NULL, 0, NULL, 0, 1, x'' FROM queues WHERE id = ?
    ON CONFLICT (ns, uuid) DO NOTHING
"""
_OLD_TAKE = "DELETE FROM ready WHERE lane = ? AND (priority, arrival) <= (?, ?)"


class Old:
    """What 0.1.0 does to a file, on a connection of its own that stays open."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.numbers: dict[str, int] = {}

    def create(self) -> None:
        """Make its tables."""
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.executescript(OLD_SCHEMA.read_text())
        self.connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self.connection.execute("PRAGMA user_version = 1")
        self.connection.execute("INSERT INTO namespaces (name) VALUES ('alsek')")

    def add(self, uuid: str, queue: str) -> None:
        """Submit a message; the number of the queue is remembered for ever."""
        if queue not in self.numbers:
            row = (1, queue)
            self.connection.execute("INSERT OR IGNORE INTO queues (ns, name) VALUES (?, ?)", row)
            (self.numbers[queue],) = self.connection.execute(
                "SELECT id FROM queues WHERE ns = ? AND name = ?", row
            ).fetchone()
        assert self.connection.execute(_OLD_ADD, (uuid, self.numbers[queue])).rowcount == 1

    def take_all(self, queue: str) -> None:
        """Take all that is ready out of a queue, as a claim does."""
        self.connection.execute(_OLD_TAKE, (self.numbers[queue] * 8, 10**9, 10**9))


@pytest.fixture
def old(path: Path) -> Iterator[Old]:
    """A file of 0.1.0 that a process of it uses."""
    made = Old(path)
    made.create()
    yield made
    made.connection.close()


def version(path: Path) -> int:
    """The version of the schema."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
    finally:
        connection.close()


def test_what_is_ready_in_an_old_file_is_claimed(old: Old, backend: SQLiteBackend, path: Path) -> None:
    """Messages that 0.1.0 has stored are found, in the order of their queues."""
    for n in range(300):
        old.add(f"m{n}", f"q{n:03}")
    old.take_all("q001")
    claimed = Player(backend, queues=None).step(limit=1_000).claimed
    assert [one.uuid for one in claimed] == [f"m{n}" for n in range(300) if n != 1]
    assert version(path) == LASTING_QUEUES, "0.1.0 could not open it any more"


def test_both_versions_use_a_file_at_once(old: Old, backend: SQLiteBackend, path: Path) -> None:
    """While a deploy goes on: what the old version adds the new one finds, and what it takes the new one leaves."""
    player = Player(backend, queues=None)
    assert player.step().claimed == []
    old.add("a", "q")
    (claimed,) = player.step().claimed
    assert claimed.uuid == "a"
    player.step(done(claimed))
    submit(backend, "b")
    old.take_all("q")
    assert player.step().claimed == []
    with sqlite3.connect(path) as looking:
        assert looking.execute("SELECT * FROM lanes").fetchall() == []
    looking.close()


@pytest.mark.parametrize("script", connection.ADDITIONS)
def test_a_file_that_lacks_one_script_gets_it(backend: SQLiteBackend, path: Path, script: str) -> None:
    """A file that a version between made has had the earlier scripts alone: it gets those that it lacks."""
    submit(backend, "a")
    backend.close()
    scripts = list(connection.ADDITIONS)
    later = scripts[scripts.index(script) :]
    with sqlite3.connect(path) as looking:
        _undo(looking, later)
    looking.close()
    again = SQLiteBackend(path)
    player = Player(again)
    again.messages.register(player.worker, the_facts("t"))
    (claim,) = player.claim()
    assert player.step(not_mine(claim), limit=0).failed == ()
    assert again.messages.pause("q", "ada")
    assert again.schedules.put("s", b"", "r", 1) is not None
    assert again.messages.reports(["a"]) == [None]
    assert again.messages.tallies()[0][1:4] == (1, 0, 0)
    again.close()


def _undo(opened: sqlite3.Connection, scripts: list[str]) -> None:
    """Take what these scripts have made out of a file."""
    made = sqlite3.connect(":memory:")
    folder = Path(connection.__file__).parents[1]
    for script in ("schema.sql", *(each for each in connection.ADDITIONS if each not in scripts)):
        made.executescript((folder / script).read_text(encoding="utf-8"))
    kept: dict[str, str] = dict(made.execute("SELECT name, sql FROM sqlite_master"))
    made.close()
    rows = opened.execute(
        "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC"
    ).fetchall()
    for kind, name in rows:
        if name not in kept and kind in ("trigger", "table"):
            opened.execute(f"DROP {kind} IF EXISTS {name}")
    if "lines.sql" in scripts and "limits.sql" not in scripts:
        opened.execute("ALTER TABLE waiting RENAME COLUMN line TO limit_id")
        for name in ("waiting_added", "waiting_removed"):
            opened.execute(kept[name])
    if "tallies.sql" in scripts:
        opened.execute("ALTER TABLE queues DROP COLUMN delayed")
    if "limits.sql" in scripts:
        for table, column in (("queues", "waiting"), ("namespaces", "limit_due"), ("namespaces", "arrivals")):
            opened.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    if "schedules.sql" in scripts:
        opened.execute("ALTER TABLE namespaces DROP COLUMN schedule_due")
        if "worker_facts.sql" not in scripts:
            opened.execute("ALTER TABLE worker_facts DROP COLUMN fires")


def test_messages_that_waited_each_by_itself_are_let_in(
    timed: SQLiteBackend, open_backend: Callable[..., SQLiteBackend], clock: Clock, path: Path
) -> None:
    """A file in which messages wait for a limit without lines: each is let in in its turn, or goes to its own line."""
    shared, acme, initech = Limit("shared", 2), Limit("tenant acme", 1), Limit("tenant initech", 1)
    player = Player(timed)
    submit(timed, "a", limits=(shared, acme))
    submit(timed, "b", limits=(shared, initech))
    held = player.claim()
    submit(timed, "c", "d", limits=(shared, acme))
    submit(timed, "e", limits=(shared,))
    submit(timed, "f", limits=(shared, initech))
    timed.close()
    with sqlite3.connect(path) as looking:
        rows = looking.execute(
            "SELECT w.message, n.limit_id FROM waiting AS w JOIN lines AS n ON n.id = w.line"
        )
        stood = rows.fetchall()
        _undo(looking, ["lines.sql"])
        looking.executemany(
            "UPDATE waiting SET limit_id = -? WHERE message = ?", [pair[::-1] for pair in stood]
        )
        looking.execute("UPDATE waiting SET limit_id = -limit_id")
    looking.close()
    backend = open_backend(clock=clock)
    messages = player.messages = backend.messages
    assert [limit.waiting for limit in messages.limits()] == [4, 0, 0]
    submit(backend, "g", limits=(shared, acme))
    came, left = ["a", "b"], [held[1], held[0]]
    while left:
        step = player.step(done(left.pop(0)), limit=8)
        came += [claim.uuid for claim in step.claimed]
        left += step.claimed
    assert came == ["a", "b", "e", "f", "c", "d", "g"]
    assert messages.limits() == []
    with sqlite3.connect(path) as looking:
        assert looking.execute("SELECT * FROM lines").fetchall() == []
    looking.close()


def test_an_old_process_goes_on_beside_retries(old: Old, backend: SQLiteBackend, path: Path) -> None:
    """What the old version retries or buries keeps its tail; the payloads that it writes are read."""
    old.add("a", "q")
    old.add("b", "q")
    connection = old.connection
    statement = (
        "UPDATE messages SET payload = ?, due = NULL, suspect = 0, ttl = 0, expiry = NULL WHERE uuid = ?"
    )
    connection.execute(statement, (b"old", "a"))  # prepared before the file has the column
    player = Player(backend, queues=None)
    for claimed in player.step().claimed:
        player.step(Retried(claimed.uuid, "q", claimed.token, 0, 2, 5, 7, b"error"), limit=0)
    connection.execute(statement, (b"older", "a"))
    connection.execute(
        "INSERT OR REPLACE INTO dead (ns, queue, uuid, error, died_at, expiry, payload) "
        "SELECT ns, queue, uuid, ?, ?, NULL, CAST(payload AS BLOB) FROM messages WHERE uuid = 'b'",
        (b"{}", 1),
    )
    old.add("c", "q")
    claimed = player.step().claimed
    assert [(one.uuid, one.payload, one.retries, one.retry_delay, one.last_error) for one in claimed] == [
        ("a", b"older", 2, 7, b"error"),
        ("b", b"", 2, 7, b"error"),
        ("c", b"", 0, None, b""),
    ]
    letter = backend.messages.dead_letter("q", "b")
    assert letter is not None
    assert letter.retries == 0


def test_a_file_of_version_2_without_tails_gets_them(backend: SQLiteBackend, path: Path) -> None:
    """A file that was made between 0.1.0 and the tails is completed as one of 0.1.0 is, and keeps its version."""
    submit(backend, "a")
    backend.close()
    with sqlite3.connect(path) as looking:
        for table in ("messages", "dead"):
            looking.execute(f"ALTER TABLE {table} DROP COLUMN tail")
    looking.close()
    again = SQLiteBackend(path)
    assert [one.uuid for one in Player(again).step().claimed] == ["a"]
    again.close()
    assert version(path) == connection.SCHEMA_VERSION


def test_delayed_messages_of_an_old_file_are_counted(old: Old, backend: SQLiteBackend) -> None:
    """Those that 0.1.0 had stored, and those that it stores, retries or removes beside a newer process."""
    for uuid in "abc":
        old.add(uuid, "q")
    old.take_all("q")
    old.connection.execute("UPDATE messages SET due = 10 WHERE uuid < 'c'")
    old.connection.execute("INSERT INTO delayed SELECT ns, due, id FROM messages WHERE uuid < 'c'")
    old.connection.execute(
        "INSERT INTO ready SELECT queue * 8, priority, arrival, id FROM messages WHERE uuid = 'c'"
    )
    assert [tally[:4] for tally in backend.messages.tallies()] == [("q", 1, 2, 0)]
    old.connection.execute("DELETE FROM delayed WHERE message = (SELECT id FROM messages WHERE uuid = 'a')")
    old.connection.execute("DELETE FROM messages WHERE uuid = 'a'")
    assert [tally[:4] for tally in backend.messages.tallies()] == [("q", 1, 1, 0)]


def test_what_a_worker_told_goes_when_an_old_process_forgets_it(
    old: Old, backend: SQLiteBackend, path: Path
) -> None:
    """0.1.0 takes over a newer worker: nothing of its facts and tasks stays behind."""
    player = Player(backend)
    backend.messages.register(player.worker, the_facts("t"))
    old.connection.execute("DELETE FROM workers")
    assert backend.messages.workers() == []
    with sqlite3.connect(path) as looking:
        for table in ("worker_facts", "worker_tasks"):
            assert looking.execute(f"SELECT * FROM {table}").fetchall() == []
    looking.close()


def test_an_old_process_removes_what_is_set_aside(
    old: Old, backend: SQLiteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """The entry that it leaves behind is dropped, also if the number of the message is another's since."""
    mine, other = Player(backend, "mine"), Player(backend, "other")
    backend.messages.register(mine.worker, the_facts("t"))
    old.add("a", "q")
    other.step(*map(not_mine, other.claim(1)), limit=0)
    old.connection.execute("DELETE FROM messages WHERE uuid = 'a'")
    old.add("b", "q")
    assert [claim.uuid for claim in mine.claim()] == ["b"]
    assert "had no message; dropped" in caplog.text
    assert backend.messages.aside() == []
    assert mine.claim() == []


def test_the_entry_is_not_taken_for_a_message_of_another_queue(old: Old, backend: SQLiteBackend) -> None:
    """The number, priority and arrival number of the removed message may be those of one in another queue since."""
    mine, other = Player(backend, "mine", queues=None), Player(backend, "other", queues=None)
    backend.messages.register(mine.worker, the_facts("t"))
    old.add("a", "q")
    other.step(*map(not_mine, other.claim(1)), limit=0)
    old.connection.execute("DELETE FROM messages WHERE uuid = 'a'")
    old.add("b", "r")
    assert [(claim.uuid, claim.queue) for claim in mine.claim()] == [("b", "r")]
    assert backend.messages.aside() == []


def test_a_queue_of_an_old_file_is_paused(old: Old, backend: SQLiteBackend) -> None:
    """Newer workers obey a pause of a queue that 0.1.0 fills."""
    old.add("a", "q")
    backend.messages.pause("q", "ada")
    old.add("b", "q")
    player = Player(backend)
    assert player.claim() == []
    backend.messages.resume("q")
    assert [claim.uuid for claim in player.claim()] == ["a", "b"]


def test_an_old_file_keeps_its_queues(old: Old, backend: SQLiteBackend, path: Path) -> None:
    """The old version remembers the numbers of queues, so their rows stay as long as it may be there."""
    old.add("a", "q")
    old.add("z", "z")
    backend.messages.remove("q", "a")
    for n in range(2 * sweeping.ROUND):
        backend.set("tick", n)
    old.add("b", "q")
    assert [one.uuid for one in Player(backend).step().claimed] == ["b"]
    # As the documentation says, once no process of 0.1.0 is left:
    old.connection.execute("PRAGMA user_version = 2")
    backend.messages.remove("q", "b")
    for n in range(2 * sweeping.ROUND):
        backend.set("tick", n)
    assert old.connection.execute("SELECT name FROM queues").fetchall() == [("z",)]
    assert submit(backend, "c") == [True]


def test_the_first_new_processes_complete_an_old_file_once(
    old: Old, python: Callable[..., Process], path: Path
) -> None:
    """Several processes that start at once on an old file add what it lacks once, and all find the same."""
    for n in range(50):
        old.add(f"m{n}", f"q{n}")
    program = "say('ready'); n = sys.stdin.readline().strip(); say(messages.remove('q' + n, 'm' + n))"
    processes = [python(program) for _ in range(4)]
    assert [says(each) for each in processes] == ["ready"] * 4
    for n, each in enumerate(processes):
        tell(each, str(n))
    assert [says(each) for each in processes] == ["True"] * 4
    with sqlite3.connect(path) as looking:
        assert looking.execute("SELECT count(*) FROM lanes").fetchone() == (46,)
    looking.close()


def test_a_file_is_completed_wholly_or_not_at_all(
    old: Old, backend: SQLiteBackend, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If completing it fails half way, the file is as it was; the next try completes it."""
    old.add("a", "q")
    run = connection._run

    def fail(given: sqlite3.Connection, script: str) -> None:
        run(given, script)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "_run", fail)
    with pytest.raises(Exception, match="disk I/O error"):
        backend.ping()
    added = (*connection.ADDITIONS.values(), "lane_filled")
    names = {name for (name,) in old.connection.execute("SELECT name FROM sqlite_master").fetchall()}
    assert not names.intersection(added)
    monkeypatch.undo()
    assert [one.uuid for one in Player(backend).step().claimed] == ["a"]
