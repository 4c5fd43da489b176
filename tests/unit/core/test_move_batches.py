"""What a move carries of a copy."""

from __future__ import annotations

from alsek.core.moving.batch_codec import pack, unpack
from alsek.storage.backends.copies import CopyKind, DeadLetterCopy, MessageCopy, ReportCopy, StatusCopy
from alsek.storage.backends.store_clocks import shifted

REPORT = ReportCopy(7, 3, 1_000, b"{}", None, (b"one", b"two"), None)
STATUS = StatusCopy("a", 2, None, 1_000, 5_000)
MESSAGE = MessageCopy(
    "a", "q", b"p", 0, "any", 4_000, None, 0, 0, 0, False, False, "", ";o=1", 1, STATUS, report=REPORT
)
LETTER = DeadLetterCopy(
    "a", "q", b"p", b"{}", 1_000, 5_000, ";o=1", report=REPORT._replace(checkpoint=b"", expiry=5_000)
)


def test_a_batch_has_all_of_its_copies() -> None:
    """Status and reports of a message, and the reports of a dead letter, come out as they went in."""
    assert unpack(pack(CopyKind.MESSAGE, [MESSAGE, MESSAGE._replace(status=None, report=None)])) == [
        MESSAGE,
        MESSAGE._replace(status=None, report=None),
    ]
    assert unpack(pack(CopyKind.DEAD_LETTER, [LETTER, LETTER._replace(report=None)])) == [
        LETTER,
        LETTER._replace(report=None),
    ]


def test_what_is_kept_of_reports_expires_on_the_target_s_clock() -> None:
    """Where a dead letter goes to a store whose clock is ahead, what expires with it still does."""
    letter = shifted(LETTER, 500)
    assert isinstance(letter, DeadLetterCopy)
    assert letter.report is not None
    assert (letter.expiry, letter.report.expiry) == (5_500, 5_500)
    message = shifted(MESSAGE, 500)
    assert isinstance(message, MessageCopy)
    assert message.status is not None
    assert (message.due, message.expiry, message.status.expiry) == (4_500, None, 5_500)
    assert message.report == REPORT
