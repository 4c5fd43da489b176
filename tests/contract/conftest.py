"""Runs each test of the contract once on every backend."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alsek import Broker, Inspector
from alsek.storage.backends.abstract import Backend
from alsek.storage.backends.ports import MessagePort
from tests.conftest import redis_version
from tests.contract.stores import (
    InCluster,
    InFakeRedis,
    InMemory,
    InPartitions,
    InPartitionsOfCluster,
    InRedis,
    InSQLite,
    Store,
)
from tests.contract.workers import Actors, an_actor

KINDS = ("memory", "sqlite", "redis", "fakeredis", "cluster", "partitions", "clustered-partitions")

_MARKS = {
    "redis": [pytest.mark.redis],
    "cluster": [pytest.mark.redis, pytest.mark.slow, pytest.mark.deep],
    "partitions": [pytest.mark.redis, pytest.mark.deep],
    "clustered-partitions": [
        *(pytest.mark.redis, pytest.mark.slow, pytest.mark.deep),
        pytest.mark.skipif(redis_version() < (7,), reason="sharded publications are Redis 7's"),
    ],
    "fakeredis": [pytest.mark.slow, pytest.mark.deep],
}

#: What takes long there, and is about what scripts do in one node.
_NOT_ON_A_CLUSTER = (
    "test_large_batches",
    "test_model",
    "test_model_keys",
    "test_model_groups",
    "test_group_sizes",
    "test_model_all",
    "test_model_schedules",
    "test_long_waits",
    "test_numeric_bounds",
)

#: What takes long in an imitation, and is about how a server takes very many arguments.
_NOT_ON_AN_IMITATION = ("test_group_sizes", "test_large_batches")

#: What says something of tokens that no claim has, or of a worker that is lost for all partitions at once.
_NOT_ON_PARTITIONS = (
    "test_a_result_is_kept_as_it_was_given",
    "test_an_older_token_never_replaces_a_newer",
    "test_a_refused_write_changes_no_progenitor",
    "test_a_result_is_read_as_it_was_written",
    "test_results_and_statuses_are_published",
    "test_a_takeover_is_told",
)

#: What takes long, and is about what scripts do in one partition.
_LONG_IN_PARTITIONS = (
    "test_group_sizes",
    "test_large_batches",
    "test_long_waits",
    "test_model_all",
    "test_model_schedules",
    "test_numeric_bounds",
)

#: What is about sleeping and waking: all else is the same as on the partitions of one server.
_SLEEPERS = (
    "test_async_wakeups",
    "test_consumers",
    "test_pauses",
    "test_rates",
    "test_schedule_offers",
    "test_set_aside",
    "test_unique_replacements",
    "test_wakeups",
)

for _module in (*_SLEEPERS, *_LONG_IN_PARTITIONS, *_NOT_ON_A_CLUSTER, *_NOT_ON_AN_IMITATION):
    assert Path(__file__).with_name(f"{_module}.py").exists(), f"there is no {_module}.py here"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of this suite."""
    config.addinivalue_line("markers", "stores(*kinds): run on these stores only, since others can't have it")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on every store, or on those that its mark names."""
    if "store" not in metafunc.fixturenames:
        return
    mark = metafunc.definition.get_closest_marker("stores")
    kinds = mark.args if mark is not None else KINDS
    module = metafunc.module.__name__.rpartition(".")[2]
    if module in _NOT_ON_A_CLUSTER:
        kinds = tuple(kind for kind in kinds if kind != "cluster")
    if module in _NOT_ON_AN_IMITATION:
        kinds = tuple(kind for kind in kinds if kind != "fakeredis")
    name = metafunc.function.__name__
    if module in _LONG_IN_PARTITIONS or name in _NOT_ON_PARTITIONS:
        kinds = tuple(kind for kind in kinds if not kind.endswith("partitions"))
    if module not in _SLEEPERS:
        kinds = tuple(kind for kind in kinds if kind != "clustered-partitions")
    params = [pytest.param(kind, id=kind, marks=_MARKS.get(kind, [])) for kind in kinds]
    metafunc.parametrize("store", params, indirect=True)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store with a clock, empty."""
    kind: str = request.param
    made = _make(kind, request)
    try:
        yield made
    finally:
        made.finish()


def _make(kind: str, request: pytest.FixtureRequest) -> Store:
    if kind == "memory":
        return InMemory()
    if kind == "sqlite":
        return InSQLite(request.getfixturevalue("tmp_path"))
    if kind == "redis":
        return InRedis(request.getfixturevalue("redis_url"))
    if kind == "partitions":
        return InPartitions(request.getfixturevalue("redis_url"))
    if kind == "clustered-partitions":
        return InPartitionsOfCluster(request.getfixturevalue("redis_cluster"))
    if kind == "cluster":
        return InCluster(request.getfixturevalue("redis_cluster"))
    return InFakeRedis()


@pytest.fixture
def backend(store: Store) -> Backend:
    """The backend of the store."""
    return store.backend


@pytest.fixture
def messages(backend: Backend) -> MessagePort:
    """Its message port."""
    return backend.messages


@pytest.fixture
def broker(backend: Backend) -> Broker:
    """A broker on the store."""
    return Broker(backend)


@pytest.fixture
def inspector(backend: Backend) -> Inspector:
    """What looks at the store."""
    return Inspector(backend)


@pytest.fixture
def actor(backend: Backend) -> Actors:
    """Makes registered workers."""
    return lambda *args, **kwargs: an_actor(backend, *args, **kwargs)
