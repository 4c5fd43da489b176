"""Every way in which a message ends, or leaves the worker that holds it without having ended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias
from uuid import uuid4

from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.records import Claimed, Submission
from tests.contract.stores import Store
from tests.contract.workers import (
    DLQ_TTL,
    ERROR,
    LEASE,
    Actor,
    an_actor,
    by_hand,
    died,
    lost,
    not_mine,
    released,
    retried,
    succeeded,
    the_facts,
)

#: The time to live of the message that leaves.
TTL_MS: Final = 30_000

#: The queue of the message that leaves, of which nothing else is claimed.
QUEUE: Final = "leaving"


class Scene:
    """A store with the message ``a`` in a queue of its own, which is ready, and a worker that takes from that queue."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.backend: Backend = store.backend
        self.messages = store.backend.messages
        self.worker: Actor = an_actor(store.backend, QUEUE, facts=the_facts("another"))

    def claimed(self) -> Claimed:
        """Let the worker claim the message; it claims nothing else."""
        (claim,) = self.worker.held() or self.worker.claim()
        assert claim.uuid == "a"
        return claim


def leaving(uuid: str = "a", **fields: object) -> Submission:
    """The message that leaves."""
    return Submission(uuid, QUEUE, b"payload", **{"ttl": TTL_MS, **fields})  # type: ignore[arg-type]


Way: TypeAlias = Callable[[Scene], object]


def _set_aside_in_vain(scene: Scene) -> None:
    assert scene.worker.step(not_mine(scene.claimed(), "nobody's"), limit=0).failed == ("a",)


def _fail_by_hand(scene: Scene) -> None:
    assert scene.messages.fail(QUEUE, "a", ERROR, DLQ_TTL)


def _remove(scene: Scene) -> None:
    assert scene.messages.remove(QUEUE, "a")


def _corrupt(how: str) -> Way:
    def spoil(scene: Scene) -> None:
        scene.store.spoil(QUEUE, "a", how)
        assert [corrupt.uuid for corrupt in scene.worker.step().corrupt] == ["a"]

    return spoil


def _expire(scene: Scene) -> None:
    scene.store.advance(TTL_MS + 1)
    scene.messages.register(scene.worker.worker)
    claim = scene.claimed()
    assert claim.expired
    scene.worker.step(died(claim), limit=0)


def _revoke(scene: Scene) -> None:
    assert scene.messages.revoke(QUEUE, "a")
    claim = scene.claimed()
    assert claim.revoked
    scene.worker.step(died(claim)._replace(revoked=True), limit=0)


def _poison(scene: Scene) -> None:
    claim = scene.claimed()
    again = scene.worker.step(lost(claim)).claimed[0]
    assert again.losses > claim.losses
    scene.worker.step(died(again), limit=0)


def _delayed_and_removed(scene: Scene) -> None:
    scene.worker.step(retried(scene.claimed(), delay=1_000), limit=0)
    _remove(scene)


def _move_out(scene: Scene) -> None:
    target = scene.store.open(f"{scene.store.namespace}-target")
    move, out = uuid4().hex, scene.backend.transfer
    out.open_source(move, target.transfer.store_name(), "there", LEASE)
    pages = [page.copies for page in out.read(CopyKind.MESSAGE, 100)]
    copies = [copy for page in pages for copy in page if copy.key == (QUEUE, "a")]
    assert out.take_out(move, uuid4().hex, copies) == [True]
    out.close_source(move)


#: How a message ends. After these nothing of it is stored but a dead letter.
ENDS: Final[dict[str, Way]] = {
    "it succeeds": lambda scene: scene.worker.step(succeeded(scene.claimed()), limit=0),
    "it fails": lambda scene: scene.worker.step(died(scene.claimed()), limit=0),
    "it fails without a dead letter": lambda scene: scene.worker.step(
        died(scene.claimed(), dlq_ttl=0), limit=0
    ),
    "nobody has its task": _set_aside_in_vain,
    "it is failed by hand while it is ready": _fail_by_hand,
    "it is failed by hand while it is claimed": lambda scene: (scene.claimed(), _fail_by_hand(scene)),
    "it is removed while it is ready": _remove,
    "it is removed while it is claimed": lambda scene: (scene.claimed(), _remove(scene)),
    "it is removed while it waits for a retry": _delayed_and_removed,
    "its record is meaningless bytes": _corrupt("bytes"),
    "its record is of another version": _corrupt("version"),
    "it expires": _expire,
    "it is revoked": _revoke,
    "it is poison": _poison,
    "its worker retires with its outcome": lambda scene: scene.worker.retire(succeeded(scene.claimed())),
    "it is moved to another store": _move_out,
}


def _taken_over(scene: Scene) -> None:
    scene.claimed()
    other = an_actor(scene.backend, "elsewhere")
    for _ in range(4):
        scene.store.advance(LEASE // 3)
        other.renew()
    assert [lost.messages for lost in other.step(limit=0).taken_over] == [1]


def _never_received(scene: Scene) -> None:
    scene.claimed()
    scene.messages.renew(scene.worker.worker, scene.worker.seq, [])


def _set_aside(scene: Scene) -> None:
    assert scene.worker.step(not_mine(scene.claimed(), wait=True), limit=0).failed == ()


def _rescheduled(scene: Scene) -> None:
    scene.claimed()
    assert scene.messages.reschedule(by_hand(QUEUE, "a"))


#: How a claim ends after which the message is ready again, at once.
RETURNS: Final[dict[str, Way]] = {
    "it is retried": lambda scene: scene.worker.step(retried(scene.claimed()), limit=0),
    "it is released": lambda scene: scene.worker.step(released(scene.claimed()), limit=0),
    "its process dies": lambda scene: scene.worker.step(lost(scene.claimed()), limit=0),
    "its process dies with others": lambda scene: scene.worker.step(
        lost(scene.claimed(), suspect=True), limit=0
    ),
    "its worker retires": lambda scene: (scene.claimed(), scene.worker.retire()),
    "its worker is lost": _taken_over,
    "its worker has not received it": _never_received,
    "it is set aside": _set_aside,
    "it is rescheduled by hand": _rescheduled,
}

#: Those of them after which it has not begun: nothing was charged.
UNCHARGED: Final = (
    "it is released",
    "its worker retires",
    "its worker has not received it",
    "it is set aside",
)
