"""The options of a message, declared once for single calls, for many calls, and for each of many."""

from __future__ import annotations

from typing import Any, Final, TypedDict

from alsek.core.message import Message
from alsek.core.submission.chaining import Callbacks
from alsek.core.submission.task_keys import LimitsOption, UniqueOption
from alsek.core.submission.transactions import OnCommit
from alsek.types import Duration


class MessageOptions(TypedDict, total=False):
    """The options of :meth:`Task.generate <alsek.core.task.Task.generate>`, without the arguments of the function."""

    priority: int
    metadata: Any
    result_ttl: Duration | None
    uuid: str | None
    timeout_override: Duration | None
    delay: Duration | None
    previous_result: Any
    callback: Callbacks | None
    queue: str | None
    ttl: Duration | None
    unique: UniqueOption
    limits: LimitsOption
    failure_callback: Message | None


class SendOptions(MessageOptions, total=False):
    """The options of :meth:`Task.using <alsek.core.task.Task.using>`: those of a message, and when it is submitted."""

    on_commit: OnCommit


NAMES: Final = tuple(MessageOptions.__annotations__)
SEND_NAMES: Final = (*NAMES, *SendOptions.__annotations__)
