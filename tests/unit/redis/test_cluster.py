"""A cluster of several nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
import redis

from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.records import ACCEPTED, Submission, Succeeded, TaskStatus, Worker
from alsek.storage.backends.redis import RedisBackend
from alsek.storage.backends.redis.roles import ROLES, Role, commands_for
from tests.clusters import ClusterOfServers

pytestmark = pytest.mark.redis


@pytest.fixture
def backend(redis_cluster: ClusterOfServers) -> Iterator[RedisBackend]:
    """A backend in a namespace of its own."""
    made = RedisBackend(redis_cluster.client(), namespace=f"t{uuid4().hex[:12]}")
    yield made
    made.clear_namespace()
    made.close()


def test_a_message_lives_its_whole_life_on_one_slot(
    backend: RedisBackend, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """All that belongs to a namespace has its hash tag, so that each step is one script there too."""
    worker = new_worker()
    messages = backend.messages
    messages.register(worker)
    assert messages.add([submission("a", status_ttl=60_000), submission("b", delay=60_000)], "r") == [
        ACCEPTED,
        ACCEPTED,
    ]
    (claimed,) = messages.step(worker, 1, [], {worker.kind: 8}).claimed
    step = messages.step(
        worker, 2, [Succeeded("a", "q", claimed.token, b"result", 60_000, "root")], {worker.kind: 8}
    )
    assert step.refused == []
    assert [record.uuid for record in backend.results.descendants("root")] == ["a"]
    assert [record.status for record in backend.statuses.scan()] == [TaskStatus.SUCCEEDED]
    assert messages.fail("q", "b", b"{}", 60_000)
    with backend.subscribe("c") as subscription:
        backend.pub("c", 1)
        note = subscription.wait(60_000)
        assert note is not None
        assert note.data == b"1"
    names = [name for name in backend._link.client.scan_iter(match="*") if backend.namespace.encode() in name]
    assert names
    assert all(name.startswith(b"{%b}:" % backend.namespace.encode()) for name in names)
    assert backend.clear_namespace() == len(names)


def test_a_cluster_answers_a_ping(backend: RedisBackend) -> None:
    """As a pool asks at its start: of the node that the namespace is on, whichever it is."""
    backend.ping()


def test_namespaces_spread_over_the_nodes(redis_cluster: ClusterOfServers) -> None:
    """Several namespaces are on several nodes, and each can be used, and walked through."""
    client = redis_cluster.client()
    owners = set()
    for n in range(12):
        # Fixed names: names drawn at random would all miss a node now and then.
        backend = RedisBackend(client, namespace=f"tenant{n}")
        owners.add(redis_cluster.master_of(client, backend.messages._keys.messages()).port)
        assert backend.set("a", n)
        assert backend.get("a") == n
        assert list(backend.scan()) == ["a"]
        assert backend.delete("a")
        backend.clear_namespace()
    assert len(owners) == 3
    client.close()


def test_a_url_of_a_cluster_names_some_of_its_nodes(
    redis_cluster: ClusterOfServers, submission: Callable[..., Submission]
) -> None:
    """`redis+cluster://` is enough to reach all of a cluster; a node that is away does not matter."""
    port = redis_cluster.servers[1].port
    backend = RedisBackend(f"redis+cluster://127.0.0.1:1,127.0.0.1:{port}", namespace=f"t{uuid4().hex[:12]}")
    assert backend.messages.add([submission("a")], "r") == [ACCEPTED]
    assert backend.messages.count("q") == 1
    assert backend.clear_namespace() > 0
    backend.close()


def test_nothing_is_done_by_halves_while_the_slot_is_on_its_way(
    redis_cluster: ClusterOfServers, new_worker: Callable[..., Worker], submission: Callable[..., Submission]
) -> None:
    """A step needs keys that are on two nodes then: it is refused whole, and carried out once they are on one."""
    client = redis_cluster.client()
    backend = RedisBackend(client, namespace=f"t{uuid4().hex[:12]}", timeout=500)
    messages, worker = backend.messages, new_worker(kind="thread")
    key = messages._keys.messages()
    messages.register(worker)
    messages.add([submission("a"), submission("b", delay=60_000)], "r")
    (claimed,) = messages.step(worker, 1, [], {"thread": 8}).claimed
    done = Succeeded("a", "q", claimed.token, b"result", 60_000)
    source = redis.Redis.from_url(redis_cluster.master_of(client, key).url)
    move = redis_cluster.begin_move(client, key)
    try:
        before = {name: source.dump(name) for name in source.keys(f"{{{backend.namespace}}}:*")}
        for refused in (
            lambda: messages.add([submission("c")], "r"),
            lambda: messages.add([submission("d", queue="new", delay=1_000)], "r"),
            lambda: messages.step(worker, 2, [done], {"thread": 8}),
            lambda: backend.locks.acquire("l", "me", 1_000),
        ):
            with pytest.raises(BackendUnavailableError, match="moves the slot"):
                refused()
        assert {name: source.dump(name) for name in source.keys(f"{{{backend.namespace}}}:*")} == before
        move.carry(3)
        with pytest.raises(BackendUnavailableError, match="moves the slot"):
            messages.step(worker, 2, [done], {"thread": 8})
    finally:
        move.finish()
    assert messages.step(worker, 2, [done], {"thread": 8}).refused == []
    assert messages.add([submission("c")], "r") == [ACCEPTED]
    backend.clear_namespace()
    source.close()
    client.close()


def test_an_event_loop_asks_the_node_directly(
    redis_cluster: ClusterOfServers, submission: Callable[..., Submission]
) -> None:
    """Over a connection of its own, which follows the slot to another node; who listens goes on."""
    backend = RedisBackend(redis_cluster.client(), namespace=f"t{uuid4().hex[:12]}", timeout=20_000)
    client, key = backend._link.client, backend.messages._keys.messages()

    async def main() -> None:
        driver = backend.loop_driver()
        assert type(driver).__name__ == "RedisLoopDriver"
        news = await driver.subscribe("a")
        assert await driver.ask(backend.messages.add, [submission("a")], "r") == [ACCEPTED]
        move = redis_cluster.begin_move(client, key)
        added = asyncio.gather(
            *(driver.ask(backend.messages.add, [submission(f"{n}")], f"r{n}") for n in range(5))
        )
        await asyncio.sleep(0)
        await asyncio.to_thread(move.finish)
        assert await added == [[ACCEPTED]] * 5
        await driver.ask(backend.publish, "a", b"1")
        while (note := await news.wait(60_000)) is None:
            pass
        assert note.data == b"1"
        assert await driver.ask(backend.messages.count, "q") == 6
        await backend.aclose()

    asyncio.run(asyncio.wait_for(main(), 60))
    backend.clear_namespace()
    backend.close()


@pytest.mark.parametrize(("role", "partitions"), [*((role, 1) for role in ROLES), ("worker", 3)])
def test_users_with_limited_rights_on_a_cluster(
    role: Role, partitions: int, redis_cluster: ClusterOfServers, submission: Callable[..., Submission]
) -> None:
    """What a user may do on one server it may do here, if it may ask which node has which slots."""
    namespace, user = f"t{uuid4().hex[:12]}", f"u{uuid4().hex[:12]}"
    names = [f"{{{namespace}}}:*", *([f"{{{namespace}%p*}}:*"] if partitions > 1 else [])]
    rules = [
        "resetchannels",
        "+cluster|slots",
        "+command",
        *(f"{sign}{name}" for sign in "~&" for name in names),
    ]
    if redis.__version__.startswith("5."):
        rules.append("+info")
    rules += [f"+{command.lower()}" for command in commands_for(role)]
    admins = [redis.Redis.from_url(server.url) for server in redis_cluster.servers]
    for admin in admins:
        admin.acl_setuser(user, enabled=True, passwords=["+pw"], reset=True)
        admin.execute_command("ACL", "SETUSER", user, *rules)
    url = redis_cluster.url.replace("redis://", f"redis+cluster://{user}:pw@")
    backend = RedisBackend(url, namespace=namespace, partitions=partitions)
    assert backend.messages.count("q") == 0
    wrong = RedisBackend(url.replace(":pw@", ":other@"), namespace=namespace, timeout=500)
    with pytest.raises(BackendError, match="refused the credentials"):
        wrong.ping()
    assert {finding.subject: finding.level for finding in backend.examine()}["rights"] == "ok"
    if role == "reader":
        with pytest.raises(BackendError, match="may not do"):
            backend.messages.add([submission("a")], "r")
    else:
        assert backend.messages.add([submission("a")], "r") == [ACCEPTED]
        with backend.subscribe("c") as subscription:
            backend.pub("c", 1)
            assert subscription.wait(60_000) is not None
    if role == "worker":
        assert backend.clear_namespace() > 0
    backend.close()
    for admin in admins:
        admin.acl_deluser(user)
        admin.close()
