"""One unique key of a :class:`~alsek.storage.backends.memory.MemoryBackend`, and who holds it."""

from __future__ import annotations

from dataclasses import dataclass

from alsek.storage.backends.memory.store import ExpiringDict
from alsek.storage.backends.records import UniqueKey, UniqueRecord


@dataclass(eq=False, slots=True)
class KeyState:
    """Who holds a key.

    Attributes:
        holder: The uuid of the message that holds it, or has held it last.
        live: The holder has neither ended nor, if that ends its hold, been claimed: not only its window is left.
        waiting: The uuid of the message that waits behind the holder; empty if none does.
        held_until: When the last window ends; 0 if there was none.
    """

    holder: str
    live: bool = True
    waiting: str = ""
    held_until: int = 0

    def record(self, key: str) -> UniqueRecord:
        """Return what an inspection shows."""
        return UniqueRecord(key, self.holder, self.waiting, self.held_until)


def take(keys: ExpiringDict[str, KeyState], unique: UniqueKey, uuid: str, now: int) -> None:
    """Let a new message hold a key, in place of one whose hold is over, or that it replaces."""
    state = keys.get(unique.key) or KeyState(uuid)
    state.holder, state.live = uuid, True
    _begin_window(state, unique, now)
    keys.put(unique.key, state, None)


def wait_behind(keys: ExpiringDict[str, KeyState], key: str, uuid: str) -> None:
    """Let a message wait behind the holder of its key."""
    state = keys.get(key)
    assert state is not None
    state.waiting = uuid


def begin_window(keys: ExpiringDict[str, KeyState], unique: UniqueKey, now: int) -> None:
    """Keep a key that is held for the window of a message that is submitted now."""
    state = keys.get(unique.key)
    assert state is not None
    _begin_window(state, unique, now)


def wait_no_longer(keys: ExpiringDict[str, KeyState], key: str) -> None:
    """Let nobody wait behind the holder."""
    state = keys.get(key)
    assert state is not None
    state.waiting = ""


def give_up(keys: ExpiringDict[str, KeyState], key: str, uuid: str, now: int) -> str:
    """End the hold of a message, if it holds its key.

    Returns:
        The uuid of the message that waits for this, and is to take the key now; empty if none does. Then the key is
        free once its window is over.
    """
    state = keys.get(key)
    if state is None or not state.live or state.holder != uuid:
        return ""
    if state.waiting:
        return state.waiting
    state.live = False
    keys.put(key, state, max(state.held_until - now, 0))
    return ""


def hand_on(keys: ExpiringDict[str, KeyState], key: str, uuid: str) -> None:
    """Let a message that has waited behind the holder hold the key."""
    state = keys.get(key)
    assert state is not None
    state.holder = uuid


def _begin_window(state: KeyState, unique: UniqueKey, now: int) -> None:
    if unique.window:
        state.held_until = max(state.held_until, now + unique.window)
