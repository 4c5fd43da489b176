"""One message: everything about it, as ``alsek show`` says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from alsek.core.inspection.dead import DeadInfo
from alsek.core.inspection.wording import progress_text
from alsek.core.keys.texts import readable
from alsek.dashboard.pages.page import MissingError, Page
from alsek.dashboard.reading.snapshot import Snapshot
from alsek.dashboard.reading.store_view import StoreView
from alsek.exceptions import ValidationError


def read(store: StoreView, snapshot: Snapshot, query: Mapping[str, str]) -> dict[str, Any]:
    """Read what the page of a message shows.

    Raises:
        MissingError: The store has nothing of it.
    """
    uuid = query.get("uuid", "").strip()
    try:
        info = store.inspector.find(uuid)
    except ValidationError as error:
        raise MissingError(f"{uuid!r} can't be the uuid of a message.") from error
    if info is None:
        raise MissingError(
            f"No message {uuid} is known in {store.backend.describe()}, nor a status, result or dead letter of one."
        )
    dead = isinstance(info, DeadInfo)
    progress = info.progress
    limits = [] if isinstance(info, DeadInfo) else [limit_text(limit) for limit in info.limits]
    waits_for = None if isinstance(info, DeadInfo) else info.waits_for
    shown = store.masker.info(info)
    return {
        "info": shown,
        "dead": dead,
        "now": store.backend.messages.now(),
        "why": store.masker.text(info, store.inspector.why(uuid).text),
        "progress": progress,
        "progress_text": "" if progress is None else store.masker.text(info, progress_text(progress)),
        "limits": limits,
        "waits_for": None
        if waits_for is None
        else "its unique key"
        if waits_for.startswith("u:")
        else limit_text(waits_for),
        "traceback": shown.get("traceback") if dead else (shown.get("error") or {}).get("traceback"),
        "can_revoke": shown["state"] in ("ready", "delayed", "waiting", "running")
        and not shown.get("revoked"),
    }


def limit_text(limit: str) -> str:
    """Return the id of a limit for people."""
    kind, _, key = limit.partition(":")
    return f"{'rate' if kind == 'r' else 'concurrency'} {readable(key)!r}"


PAGE: Final = Page("message", "Message", read, ("uuid",), shared=False)
