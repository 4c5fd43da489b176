"""What comes from a store in which another program has damaged a record."""

from __future__ import annotations

import pytest

from alsek.storage.backends.copies import MessageCopy
from alsek.storage.backends.records import Added, Submission
from alsek.storage.backends.redis import RedisBackend

GOOD = MessageCopy("a", "q", b"p", 0, "any", None, None, 0, 0, 0, False, False, "", ";r=1;new=x", 1, None)


@pytest.mark.redis
@pytest.mark.parametrize("damage", [{"tail": "no tail"}, {"tail": ";a|b"}, {"losses": -1}, {"queue": "a\nb"}])
def test_a_header_that_can_not_be_written_is_refused(
    backend: RedisBackend, damage: dict[str, object]
) -> None:
    """Before anything is taken out of the other store, so it stays there."""
    bad = GOOD._replace(uuid="b", **damage)
    assert backend.transfer.refusals([GOOD, bad]) == ["", "its header is damaged"]


@pytest.mark.redis
@pytest.mark.parametrize("request_id", ["0123456789abcdef", "a long request | with signs; in it"])
def test_a_request_is_written_as_a_submission_writes_it(backend: RedisBackend, request_id: str) -> None:
    """So the call that submitted the message is known again in the other store, however it is named."""
    transfer = backend.transfer
    transfer.open_target("move", "source", 0, 0)
    transfer.stage("move", "source", "batch", b"data")
    copy = GOOD._replace(request=request_id)
    assert transfer.commit("move", "source", "batch", [copy]) == []
    assert backend.messages.add([Submission("a", "q", b"p")], request_id) == [Added(True)]
