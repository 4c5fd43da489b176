"""Kinds of workers, wishes of messages and policies for suspects: which worker may take which message.

The ready messages of a queue wait in *lanes*: one for each wish, and one more for the suspects of each wish. All
messages of a lane may be taken by the same workers, and take up the same slot kind there: a thread, a process or a
coroutine of an event loop. The numbers of the lanes in SQLite's tables follow from the order of
:data:`alsek.types.Wish`, and the letters in Redis' records are here: both are stored, so a new wish goes to the end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from alsek.types import Mechanism, MechanismWish, Wish

#: The kind of a worker. ``"thread"`` and ``"process"``: of a pool without ``async def`` tasks. ``"thread-async"`` and
#: ``"process-async"``: of one that has some. ``"any"``: a consumer, which takes messages of every wish.
WorkerKind: TypeAlias = Literal["any", "thread", "process", "thread-async", "process-async"]

#: What a message takes up in its worker while it runs; ``"any"`` in a consumer, which runs nothing itself.
SlotKind: TypeAlias = Literal["any", "thread", "process", "coroutine"]

#: As what a worker of a pool sleeps. ``"thread"`` and ``"process"``: waits for messages of plain functions.
#: ``"thread-async"`` and ``"process-async"``: waits for those of ``async def`` tasks, in such a pool.
SleeperKind: TypeAlias = Literal["thread", "process", "thread-async", "process-async"]

#: The kinds of pools.
POOL_KINDS: Final[tuple[Mechanism, ...]] = get_args(Mechanism)

#: The wishes that tasks and messages name.
MECHANISM_WISHES: Final[tuple[MechanismWish, ...]] = get_args(MechanismWish)

#: The wishes with which stores keep messages.
WISHES: Final[tuple[Wish, ...]] = get_args(Wish)

#: The wish of a message of an ``async def`` task, by the wish that it names.
ASYNC_WISHES: Final[Mapping[MechanismWish, Wish]] = {
    "any": "any-async",
    "thread": "thread-async",
    "process": "process",
}


def is_async(wish: Wish) -> bool:
    """Return True for the wishes that only messages of ``async def`` tasks have."""
    return wish in ("any-async", "thread-async")


#: The letter of each wish in Redis.
WISH_LETTERS: Final[Mapping[Wish, str]] = {
    "any": "a",
    "thread": "t",
    "process": "p",
    "any-async": "c",
    "thread-async": "d",
}

#: The wishes of the messages that a worker of each kind takes, by the slots that they take up there.
WISHES_BY_SLOT: Final[Mapping[WorkerKind, Mapping[SlotKind, tuple[Wish, ...]]]] = {
    "any": {"any": WISHES},
    "thread": {"thread": ("any", "thread")},
    "process": {"process": ("any", "process")},
    "thread-async": {"thread": ("any", "thread"), "coroutine": ("any-async", "thread-async")},
    "process-async": {"process": ("any", "process", "any-async")},
}

#: Which messages of ``async def`` tasks a worker of a pool without such tasks takes besides, in a step whose limits
#: have ``"coroutine"``: nobody else may find out that their task is not known, or is a plain function now.
LOOKED_AT: Final[Mapping[WorkerKind, tuple[Wish, ...]]] = {
    "thread": ("any-async", "thread-async"),
    "process": ("any-async",),
}

#: The slot kinds of a worker of each kind.
SLOTS_OF: Final[Mapping[WorkerKind, tuple[SlotKind, ...]]] = {
    kind: tuple(wishes) for kind, wishes in WISHES_BY_SLOT.items()
}

#: The wishes of the messages that a worker of each kind may take.
WISHES_OF: Final[Mapping[WorkerKind, tuple[Wish, ...]]] = {
    kind: tuple(wish for wishes in slots.values() for wish in wishes)
    for kind, slots in WISHES_BY_SLOT.items()
}

#: The sleepers that a message of each wish wakes, one of each kind; besides one consumer.
SLEEPERS_OF: Final[Mapping[Wish, tuple[SleeperKind, ...]]] = {
    "any": ("thread", "process"),
    "thread": ("thread",),
    "process": ("process",),
    "any-async": ("thread-async", "process-async"),
    "thread-async": ("thread-async",),
}

_SLOT_OF: Final[Mapping[tuple[WorkerKind, Wish], SlotKind]] = {
    **{(kind, wish): "coroutine" for kind, wishes in LOOKED_AT.items() for wish in wishes},
    **{
        (kind, wish): slot
        for kind, slots in WISHES_BY_SLOT.items()
        for slot, wishes in slots.items()
        for wish in wishes
    },
}


def slot_of(kind: WorkerKind, wish: Wish) -> SlotKind | None:
    """Return which slot a message takes up in a worker of this kind; None if that worker never takes it.

    A pool without ``async def`` tasks has no coroutines. There it is ``"coroutine"`` for what :data:`LOOKED_AT` says.
    """
    return _SLOT_OF.get((kind, wish))


def slots_of_step(kind: WorkerKind, limits: Collection[SlotKind]) -> tuple[SlotKind, ...]:
    """Return the slot kinds whose messages a worker may take in a step with these limits, in order."""
    seeks = "coroutine" in limits and kind in LOOKED_AT
    return (*SLOTS_OF[kind], "coroutine") if seeks else SLOTS_OF[kind]


def sleeps_as(kind: WorkerKind, slot: SlotKind | None = None) -> tuple[SleeperKind, ...]:
    """Return as which kinds of sleeper a worker waits for messages that take up this slot; None for all it takes."""
    match kind, slot:
        case "any", _:
            return get_args(SleeperKind)
        case "thread", _:
            return ("thread",)
        case "process", _:
            return ("process",)
        case "process-async", _:
            return ("process", "process-async")
        case "thread-async", "thread":
            return ("thread",)
        case "thread-async", "coroutine":
            return ("thread-async",)
        case _:
            return ("thread", "thread-async")


def mechanism_of(kind: WorkerKind | Wish) -> MechanismWish:
    """Return a worker's kind or a message's wish without whether ``async def`` tasks are meant, as users know it."""
    return _MECHANISM_OF[kind]


_MECHANISM_OF: Final[Mapping[WorkerKind | Wish, MechanismWish]] = {
    "any": "any",
    "thread": "thread",
    "process": "process",
    "any-async": "any",
    "thread-async": "thread",
    "process-async": "process",
}

#: How a worker takes suspects: see :class:`~alsek.storage.backends.records.Worker`.
SuspectPolicy: TypeAlias = Literal["alone", "freely", "only"]


class SuspectRule(NamedTuple):
    """What a policy for suspects allows.

    Attributes:
        plain: The worker takes messages that are no suspects, unless it holds a suspect alone.
        freely: It takes suspects like other messages. Else it takes one while it holds nothing, and nothing more until
            that one is finished.
    """

    plain: bool
    freely: bool


SUSPECT_RULES: Final[Mapping[SuspectPolicy, SuspectRule]] = {
    "alone": SuspectRule(plain=True, freely=False),
    "freely": SuspectRule(plain=True, freely=True),
    "only": SuspectRule(plain=False, freely=False),
}
