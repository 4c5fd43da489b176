"""The states of a message in the store."""

from __future__ import annotations

from typing import Literal, TypeAlias

#: The state of a stored message. A delayed message becomes ready when it is due, and a claimed one is held by a worker.
#: One that waits would be ready, but a limit does not admit it yet, or its unique key is another's.
MessageState: TypeAlias = Literal["delayed", "ready", "claimed", "waiting"]

#: The state of a message whose uuid is not new: it is stored, or its worker finished it (it succeeded or died) within
#: :data:`~alsek.defaults.DEDUP_WINDOW`.
UuidState: TypeAlias = MessageState | Literal["finished"]
