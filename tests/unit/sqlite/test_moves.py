"""Records of a file that another program has damaged."""

from __future__ import annotations

from collections.abc import Callable

from alsek.storage.backends.copies import CopyKind
from alsek.storage.backends.records import FOR_EVER, Submission, TaskStatus
from alsek.storage.backends.sqlite import SQLiteBackend


def test_a_damaged_status_stays_where_it_is(open_backend: Callable[..., SQLiteBackend]) -> None:
    """With its message; the others are handed out."""
    backend = open_backend()
    backend.messages.add([Submission(name, "q", b"p", status_ttl=FOR_EVER) for name in "ab"], "r")
    for name in "xy":
        backend.statuses.put(name, TaskStatus.SUCCEEDED)
    backend._database.write(lambda tx: tx.execute("UPDATE statuses SET status = 99 WHERE uuid IN ('a', 'x')"))
    for kind, good, bad in ((CopyKind.MESSAGE, "b", "a"), (CopyKind.STATUS, "y", "x")):
        pages = list(backend.transfer.read(kind, 10))
        assert {copy.key[1] for page in pages for copy in page.copies} == {good}
        assert {each for page in pages for each in page.unreadable} == {(bad, "its status is 99")}
