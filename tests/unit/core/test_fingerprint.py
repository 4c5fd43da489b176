"""Failures of one cause have one fingerprint."""

from __future__ import annotations

import json

import pytest

from alsek.core.failure import describe_failure
from alsek.core.inspection.fingerprint import fingerprint
from alsek.types import ExceptionDetails

_TRACEBACK = """Traceback (most recent call last):
  File "/venv/lib/python3.12/site-packages/alsek/core/task.py", line 90, in run
    return self.function(*args)
  File "/srv/shop/tasks.py", line 12, in pay
    charge(order)
  File "/srv/shop/cards.py", line 40, in charge
    return session.post(url)
  File "/venv/lib/python3.12/site-packages/requests/api.py", line 115, in post
    raise ConnectionError(text)
ConnectionError: no answer
"""


def _failure(
    text: str = "no answer", traceback: str | None = _TRACEBACK, name: str = "ConnectionError"
) -> str:
    return fingerprint(ExceptionDetails(name=name, text=text, traceback=traceback))


def test_it_stays_the_same_in_later_releases() -> None:
    """Fingerprints are written into scripts and tickets, so a known failure keeps its own."""
    assert _failure() == "df8b3c10d795"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("line 40", "line 41"),
        ("/srv/shop", "/home/ann/shop"),
        ("/srv/shop/", "C:\\shop\\"),
        ("python3.12/site-packages/requests", "python3.13/site-packages/niquests"),
        ("/venv/lib/python3.12/site-packages/alsek", "/src/packages/alsek-core/src/alsek"),
        ("Traceback", "Traceback (most recent call last):\n  File \"/a.py\", line 1, in other\nKeyError\n\nTraceback"),
    ],
    ids=["line", "folder", "windows", "library", "alsek from a checkout", "cause"],
)  # fmt: skip
def test_the_same_failure_elsewhere_has_the_same(old: str, new: str) -> None:
    """Line numbers, folders, libraries, Alsek's own frames and the exception's cause change nothing."""
    changed = _TRACEBACK.replace(old, new)
    assert changed != _TRACEBACK
    assert _failure(traceback=changed) == _failure()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 not found", "order 4711 not found"),
        ("took 1.5 s", "took 12.75 s"),
        ("<Shop object at 0x7f00aa>", "<Shop object at 0x7fffbc>"),
        ("token 9f86d081884c7d65 refused", "token 60303ae22b998861 refused"),
        (
            "no job 6fa459ea-ee8a-3ca4-894e-db77e160355e",
            "no job 16fd2706-8baf-433b-82eb-8c7fadaeaada",
        ),
        ("no customer 'ann'", "no customer 'bob'"),
        ("can't find 'a' in \"b\"", "can't find 'x' in \"y\""),
        ("bad row\n1,2,3", "bad row\n4,5,6"),
        ("10.0.0.1:6379 refused", "10.0.12.3:6380 refused"),
    ],
)
def test_what_varies_in_a_text_does_not_count(one: str, other: str) -> None:
    """Numbers, addresses, uuids, quotations and further lines don't make another failure of it."""
    assert _failure(one) == _failure(other)


def test_failures_of_other_causes_have_others() -> None:
    """Another exception, another function and another text each have another fingerprint."""
    others = {
        _failure(),
        _failure(name="TimeoutError"),
        _failure("refused"),
        _failure(traceback=None),
        _failure(traceback=_TRACEBACK.replace("in charge", "in refund")),
        _failure(traceback=_TRACEBACK.replace("cards.py", "gifts.py")),
    }
    assert len(others) == 6


def _deep(calls: int) -> None:
    if calls:
        _deep(calls - 1)
    json.loads("{")


def _caught(calls: int, *, members: int = 0) -> ExceptionDetails:
    try:
        try:
            _deep(calls)
        except ValueError as error:
            if not members:
                raise
            raise ExceptionGroup("some", [error] * members) from None
    except Exception as error:  # noqa: BLE001  either of the two
        return describe_failure(error)
    raise AssertionError


def test_the_depth_of_a_recursion_does_not_count() -> None:
    """A function that calls itself counts once, however often it did."""
    assert fingerprint(_caught(2)) == fingerprint(_caught(50))


def test_a_group_is_known_by_where_it_was_raised() -> None:
    """The members of an exception group, and their number, don't count."""
    assert fingerprint(_caught(1, members=2)) == fingerprint(_caught(50, members=3))
    assert fingerprint(_caught(1, members=2)) != fingerprint(_caught(1))


def test_anything_has_a_fingerprint() -> None:
    """Texts that are empty, long, or no Unicode are no obstacle."""
    for text in ("", "x" * 100_000, "\ud800", "'" * 500):
        assert len(_failure(text, traceback="nothing known")) == 12
