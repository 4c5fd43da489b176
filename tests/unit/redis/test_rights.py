"""Users who may not do everything: each script is refused before its first write, or carried out whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis

from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.core.status import StatusTracker
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.records import TaskStatus
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.client import script_text
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, commands_of, load
from alsek.storage.backends.redis.roles import ROLES, Role, commands_for
from alsek.storage.result import ResultStore
from tests.conftest import RedisServer, redis_version
from tests.unit.redis.situations import MINE, OPERATIONS, Situation

pytestmark = pytest.mark.redis

#: What stands in a namespace, as patterns of keys; a user may use all but one of them.
FAMILIES = (
    *(
        "messages",
        "queues",
        "delayed",
        "workers",
        "leases",
        "counters",
        "ready:*",
        "suspects:*",
        "finished:*",
    ),
    *("claims:*", "calls:*", "retired:*", "wake:*", "wakes:*", "results:*", "descendants:*", "statuses:*"),
    *("letters:*", "dead:*", "fading:*", "dead", "locks:*", "values:*", "moves"),
    *("paused", "aside", "aside:*", "suspects-aside:*", "facts", "tasks:*", "running", "gone", "history:*"),
    *("group:*", "members:*", "nested:*", "unreachable:*"),
    *("unique:*", "followed", "limit:*", "limits", "admitted:*", "starts:*", "waiting:*", "waiting", "waits"),
    *("schedules", "offers"),
    *("reports:*", "log:*", "sleeping", "sleepers:*"),
    *("hears:*", "hearers:*"),
)

#: One family of so many is tried with each operation, but in the deep tests.
_EACH = 8


class _Users:
    """A namespace with something of everything in it, and users with rights of their own."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._admin = redis.Redis.from_url(server.url)
        self._backend = RedisBackend(server.url, namespace=f"t{uuid4().hex[:12]}")
        self.situation = Situation(self._backend)
        self._beginning: dict[bytes, bytes] | None = None

    def backend(self, *rules: str, timeout: int = 2_000) -> RedisBackend:
        """A backend whose user has only these rights."""
        self._admin.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", *rules)
        url = self._server.url.replace("redis://", "redis://app:pw@")
        return RedisBackend(url, namespace=self._backend.namespace, timeout=timeout)

    def beginning(self) -> dict[bytes, bytes]:
        """Every key of the namespace, with its content; all is as it was at the beginning."""
        if self._beginning is None:
            self.situation.reset()
            self._beginning = self.situation.keys()
        return self._beginning

    def has_changed(self) -> None:
        """Say that the next one has to make all as it was."""
        self._beginning = None

    def close(self) -> None:
        """Close what was opened here, and leave nothing behind."""
        self._backend.clear_namespace()
        self._backend.close()
        self._admin.close()


@pytest.fixture(scope="module")
def server_of_users() -> Iterator[RedisServer]:
    """A server of this module's own, since users belong to a whole server."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.discard()


@pytest.fixture
def users(server_of_users: RedisServer) -> Iterator[_Users]:
    """In a namespace of its own."""
    made = _Users(server_of_users)
    yield made
    made.close()


def _try(users: _Users, operation: Any, backend: RedisBackend, what: object) -> bool:
    """Whether it was carried out; if not, nothing has changed."""
    situation = users.situation
    before = users.beginning()
    error = _error_of(lambda: operation(situation, backend))
    backend.close()
    if error is None:
        users.has_changed()
        return True
    assert not isinstance(error, BackendUnavailableError), (what, error)
    assert "may not do" in str(error) or "lacks a permission" in str(error), (what, error)
    after = {name: content for name, content in situation.keys().items() if not name.endswith(b":none")}
    assert after == before, (what, error)
    return False


def _error_of(call: Callable[[], object]) -> BackendError | None:
    try:
        call()
    except BackendError as error:
        return error
    return None


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "add_one pushed"])
def test_without_rights_on_channels_everything_is_carried_out(name: str, users: _Users) -> None:
    """Publishing is a hint: who may not do it submits, works and writes all the same.

    (A message that can't be sent to a sleeping worker is ready instead: see ``test_push_receiver.py``.)
    """
    begun = _half_minute(users)
    with_all, without = _keys_after(name, users)
    if _half_minute(users) != begun:  # it is in the names of some keys
        with_all, without = _keys_after(name, users)
    assert without == with_all


def _half_minute(users: _Users) -> int:
    return int(users.situation.backend._link.call("TIME")[0]) // 30


def _keys_after(name: str, users: _Users) -> tuple[set[bytes], set[bytes]]:
    """The names of all keys after an operation, with all rights and without those on channels."""
    namespace = users.situation.backend.namespace
    backend = users.backend("resetchannels", f"~{namespace}:*", "+@all")
    users.situation.reset()
    OPERATIONS[name](users.situation, users.situation.backend)
    users.has_changed()
    with_all = set(users.situation.keys())
    assert _try(users, OPERATIONS[name], backend, "channels")
    return with_all, set(users.situation.keys())


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_missing_command_is_told_before_the_first_write(name: str, users: _Users) -> None:
    """Whichever of its commands a user may not use, a script is refused as long as nothing has changed."""
    namespace = users.situation.backend.namespace
    text = load(name.partition(" ")[0], SERVER_CLOCK).flagged.decode()
    for command in [*commands_of(text), "EVALSHA"]:
        backend = users.backend("allchannels", f"~{namespace}:*", "+@all", f"-{command.lower()}")
        assert not _try(users, OPERATIONS[name], backend, command), command


def _families(name: str, all_of_them: bool) -> Sequence[str]:
    """What a user may lack; of most only some, another choice for each operation."""
    return FAMILIES if all_of_them else FAMILIES[list(OPERATIONS).index(name) % _EACH :: _EACH]


@pytest.mark.parametrize("all_of_them", [False, pytest.param(True, marks=pytest.mark.deep)])
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_missing_key_is_told_before_the_first_write(name: str, all_of_them: bool, users: _Users) -> None:
    """Alsek wants the whole namespace: with rights to less, nothing is done by halves."""
    namespace = users.situation.backend.namespace
    for missing in _families(name, all_of_them):
        allowed = [f"~{namespace}:{family}" for family in FAMILIES if family != missing]
        backend = users.backend("allchannels", *allowed, "+@all")
        assert not _try(users, OPERATIONS[name], backend, missing), missing


def test_a_message_is_not_lost_without_rights_on_channels(users: _Users) -> None:
    """`Broker.fail` moves it to the dead letters, tracked or not."""
    namespace = users.situation.backend.namespace
    broker = Broker(users.backend("resetchannels", f"~{namespace}:*", "+@all"))
    for lifetime in (0, 60_000):
        message = Message("work", status_ttl=lifetime)
        broker.submit(message)
        broker.fail(message, ValueError("bad"))
        assert not broker.exists(message)
        assert broker.in_dlq(message)
    broker.backend.close()


def test_the_check_knows_every_command() -> None:
    """Before Redis 7, `scripts/rights/check.lua` tries a harmless form of each command that a script uses."""
    folder = script_text._FOLDER
    check = folder.joinpath("rights", "check.lua").read_text("utf-8")
    for path in folder.iterdir():
        if path.name.endswith(".lua"):
            text = load(path.name.removesuffix(".lua"), SERVER_CLOCK).flagged.decode()
            assert {name for name in commands_of(text) if f"{{ '{name}'" not in check} <= {"TIME"}, path.name


#: The pages that have rules: by categories of commands, and the smallest.
_PAGES = ("backends", "cluster")


def _documented(role: str, namespace: str, page: str) -> list[str]:
    """The rules that a page gives for a role, for another namespace."""
    text = (Path(__file__).parents[3] / "docs" / f"{page}.md").read_text("utf-8")
    line = re.search(rf"^{role} +(~alsek:.*)$", text, re.MULTILINE)
    assert line is not None
    return line[1].replace("alsek:", f"{namespace}:").split()


@pytest.mark.parametrize("page", _PAGES)
def test_the_documented_worker_may_do_everything(page: str, users: _Users) -> None:
    """Every script, values, channels, and waiting for messages."""
    backend = users.backend(*_documented("worker", users.situation.backend.namespace, page))
    for operation in OPERATIONS.values():
        users.situation.reset()
        operation(users.situation, backend)
    backend.set("a", 1)
    backend.ping()
    waiter = backend.messages.waiter(MINE)
    waiter.arm()
    waiter.drain()
    assert waiter.interval == 5_000
    waiter.close()
    with backend.subscribe("c") as subscription:
        backend.pub("c", 1)
        assert subscription.wait(60_000) is not None
    assert backend.clear_namespace() > 0
    backend.close()


@pytest.mark.parametrize("page", _PAGES)
def test_the_documented_producer_submits_and_waits(page: str, users: _Users) -> None:
    """It submits, keeps schedules, and fetches results and statuses; it claims nothing."""
    backend = users.backend(*_documented("producer", users.situation.backend.namespace, page))
    broker, results, statuses = Broker(backend), ResultStore(backend), StatusTracker(backend)
    backend.ping()
    message = Message("work", status_ttl=60_000)
    broker.submit(message)
    broker.submit(Message("work", delay=1_000))
    assert statuses.get(message) is TaskStatus.SUBMITTED
    assert backend.schedules.put("mine", b"{}", "r1", 4_000_000_000_000) is not None
    assert backend.schedules.pause("mine", "me")
    assert backend.schedules.remove("mine")
    users.situation.backend.results.put(message.uuid, b"1", 60_000)
    assert results.get(message, timeout=60_000) == 1
    assert not _try(users, OPERATIONS["step"], backend, "producer")
    assert (
        _rights(users.backend(*_documented("producer", users.situation.backend.namespace, page))).level
        == "ok"
    )


@pytest.mark.parametrize("page", _PAGES)
def test_the_documented_reader_only_reads(page: str, users: _Users) -> None:
    """It sees what is there, and can't submit."""
    backend = users.backend(*_documented("reader", users.situation.backend.namespace, page))
    looks = ("get", "browse", "held", "dead_letter", "dead_letters", "dead_queues", "descendants")
    for name in (
        *looks,
        "now",
        "find",
        "find_dead",
        "place",
        "tallies",
        "fronts",
        "peek",
        "worker_records rare",
    ):
        assert OPERATIONS[name](users.situation, backend), name
    assert ResultStore(backend).get(Message("x", uuid="result"), timeout=100, keep=True) == 1
    assert backend.count("queues:q") > 0
    assert list(backend.statuses.scan())
    assert not _try(users, OPERATIONS["add_one"], backend, "reader")


def test_who_waits_without_rights_on_channels_is_told_which(users: _Users) -> None:
    """The error names the right to channels, whatever one waits for."""
    backend = users.backend("resetchannels", f"~{users.situation.backend.namespace}:*", "+@all")
    message = Message("work", uuid="ready-0")
    with pytest.raises(BackendError, match="&alsek:"):
        ResultStore(backend).get(message, timeout=60_000)
    with pytest.raises(BackendError, match="&alsek:"):
        StatusTracker(backend).wait_for(message, TaskStatus.FAILED, timeout=60_000)
    with pytest.raises(BackendError, match="&alsek:"):
        backend.subscribe("c")
    backend.close()


@pytest.mark.parametrize("role", ROLES)
def test_the_smallest_rules_are_those_of_the_code(role: Role) -> None:
    """The page names each command that the scripts of a role have, and no other."""
    named = {rule[1:].upper() for rule in _documented(role, "alsek", "cluster") if rule.startswith("+")}
    assert named == commands_for(role)


def _rights(backend: RedisBackend) -> Finding:
    (found,) = (finding for finding in backend.examine() if finding.subject == "rights")
    backend.close()
    return found


@pytest.mark.parametrize(
    ("role", "changes", "level", "says"),
    [
        ("reader", [], "ok", "may look; to look and submit it lacks .*[+]hset"),
        ("producer", [], "ok", "may look and submit; to do all that a worker does it lacks [+]blpop"),
        ("worker", [], "ok", "may do all that a worker does[.]"),
        ("worker", ["-ltrim"], "warning", "may look and submit; .* it lacks [+]ltrim[.]"),
        ("worker", ["-hget"], "error", "may not even look: it lacks [+]hget[.]"),
        ("worker", ["-publish"], "warning", "without [+]publish"),
        ("worker", ["resetchannels"], "warning", "can't wait for results"),
        ("worker", ["-eval"], "error", "may not run scripts"),
        ("worker", ["resetkeys", "~other:*"], "error", "Nothing works"),
    ],
)
def test_what_a_user_lacks_is_found_before_it_is_needed(
    role: str, changes: list[str], level: str, says: str, users: _Users
) -> None:
    """`examine()` says what a user may do, and which rights are missing for more; it changes nothing."""
    before = users.beginning()
    found = _rights(users.backend(*_documented(role, users.situation.backend.namespace, "cluster"), *changes))
    if redis_version() < (7,) and not {"-eval", "resetkeys"} & {*changes}:
        level, says = "ok", "Before Redis 7"
    assert found.level == level, found.text
    assert re.search(says, found.text), found.text
    assert users.situation.keys() == before
