"""Turns the copies of a batch into bytes and back, to stage them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from alsek.storage.backends.copies import (
    COPY_CLASSES,
    Copy,
    CopyKind,
    DeadLetterCopy,
    MessageCopy,
    ReportCopy,
    StatusCopy,
)


def pack(kind: CopyKind, copies: Sequence[Copy]) -> bytes:
    """Return bytes that stand for these copies; without their marks."""
    rows = [list(copy._replace(mark=b"")) for copy in copies]
    return json.dumps({"kind": kind.name, "copies": rows}, default=_as_text).encode()


def unpack(data: bytes) -> list[Copy]:
    """Read the bytes that :func:`pack` made."""
    batch = json.loads(data, object_hook=_as_bytes)
    kind = COPY_CLASSES[CopyKind[batch["kind"]]]
    return [_copy(kind, row) for row in batch["copies"]]


def _copy(kind: type[Copy], row: list[Any]) -> Copy:
    copy = kind(*row)
    if isinstance(copy, MessageCopy) and copy.status is not None:
        copy = copy._replace(status=StatusCopy(*copy.status))
    if isinstance(copy, MessageCopy | DeadLetterCopy) and copy.report is not None:
        report = ReportCopy(*copy.report)
        copy = copy._replace(report=report._replace(lines=tuple(report.lines)))
    return copy


def _as_text(value: object) -> dict[str, str]:
    assert isinstance(value, bytes)
    return {"b": b64encode(value).decode()}


def _as_bytes(value: dict[str, Any]) -> Any:
    return b64decode(value["b"]) if value.keys() == {"b"} else value
