"""A backend with four partitions, and messages that are in a partition of one's choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import pytest

from alsek.core.identifiers import new_uuid
from alsek.storage.backends.locations import LOCATIONS, at_location
from alsek.storage.backends.records import Submission
from alsek.storage.backends.redis import RedisBackend
from tests.contract.workers import a_message

PARTITIONS: Final = 4


@pytest.fixture
def backend(redis_url: str) -> Iterator[RedisBackend]:
    """A backend with partitions, in a namespace of its own."""
    made = RedisBackend(redis_url, namespace=f"t{uuid4().hex[:12]}", timeout=2_000, partitions=PARTITIONS)
    yield made
    made.clear_namespace()
    made.close()


def uuid_in(part: int) -> str:
    """A new uuid of this partition."""
    return at_location(new_uuid(), part * LOCATIONS // PARTITIONS + 7)


def message_in(part: int, **fields: Any) -> Submission:
    """A message of this partition."""
    return a_message(uuid_in(part), **fields)


def partition_of(uuid: str) -> int:
    """The partition of such a uuid."""
    return int(uuid[-4:], 16) * PARTITIONS // LOCATIONS
