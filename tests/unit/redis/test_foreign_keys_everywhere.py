"""A key of another type, in the place of every key of Alsek's, under every script."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.redis import RedisBackend
from tests.unit.redis.situations import OPERATIONS, SCRIPTS, Situation
from tests.unit.redis.test_scripts import SCRIPTS as FILES

pytestmark = pytest.mark.redis


@contextlib.contextmanager
def _situation(url: str, rare: bool = False) -> Iterator[Situation]:
    backend = RedisBackend(url, namespace=f"t{uuid4().hex[:12]}", timeout=30_000)
    try:
        yield Situation(backend, rare)
    finally:
        backend.clear_namespace()
        backend.close()


def _overwrite(situation: Situation, name: str, how: str) -> None:
    """Put something else in the place of a key of the namespace."""
    link, key = situation.backend._link, f"{situation.backend.namespace}:{name}"
    if how == "no number":
        for field in ("arrival", "token", "death", "write", "fence"):
            link.call("HSET", key, field, "no number")
        return
    kind = link.call("TYPE", key)
    link.call("DEL", key)
    if kind == b"string":
        link.call("RPUSH", key, "foreign")
    else:
        link.call("SET", key, "foreign")


def _names(situation: Situation, operation: Any) -> list[str]:
    """Every key that there is before or after the operation, without the namespace."""
    names = set(situation.keys())
    operation(situation, situation.backend)
    names |= set(situation.keys())
    prefix = f"{situation.backend.namespace}:"
    return sorted(
        {name.decode().removeprefix(prefix) for name in names} | {"dead:q", "fading:q", "retired:worker-a"}
    )


def _error_of(operation: Any, situation: Situation) -> BackendError | None:
    try:
        operation(situation, situation.backend)
    except BackendError as error:
        return error
    return None


def test_every_script_is_walked_through() -> None:
    """The operations call all scripts that there are."""
    assert {path.stem for path in FILES} == SCRIPTS


@pytest.mark.parametrize(
    "script",
    # With all that is rare in the store, each takes ten times as long.
    [
        pytest.param(name, marks=pytest.mark.deep) if "rare" in name or n % 3 else name
        for n, name in enumerate(OPERATIONS)
    ],
)
def test_a_foreign_key_stops_a_script_before_its_first_write_or_not_at_all(
    script: str, redis_url: str
) -> None:
    """If the call raises, nothing has changed, and the error names the key; if not, no message has lost its place."""
    operation = OPERATIONS[script]
    with _situation(redis_url, "rare" in script) as situation:
        cases = [(name, "type") for name in _names(situation, operation)]
        situation.reset()
        placed = situation.placed()
        for name, how in [*cases, ("counters", "no number")]:
            situation.reset()
            _overwrite(situation, name, how)
            lost = placed - situation.placed()  # by the overwriting itself
            before = situation.keys()
            error = _error_of(operation, situation)
            if error is not None:
                assert not isinstance(error, BackendUnavailableError), (name, error)
                assert situation.keys() == before, (name, error)
                shown = f"{situation.backend.namespace}:{name}".replace("\n", " ")
                assert shown in str(error), (name, error)
            homeless = situation.stored() - situation.placed() - lost
            assert not homeless, (name, how, homeless)


@pytest.mark.parametrize(
    "name", ["dead", "dead:q", "fading:q", "queues", "descendants:root", "ready:a", "claims:worker-c"]
)
def test_a_worker_goes_on_beside_a_foreign_key(name: str, redis_url: str) -> None:
    """Its step is accepted as a whole, what it finished has ended, and its answer names the key."""
    with _situation(redis_url) as situation:
        _overwrite(situation, name, "type")
        step = OPERATIONS["step"](situation, situation.backend)
        assert step.refused == []  # type: ignore[attr-defined]
        assert situation.backend.messages.get("q", "held-0") is None
        assert situation.backend.results.get(["held-1"]) != [None]
        assert situation.backend.messages.dead_letter("q", "held-5") is not None
        reported = {corrupt.queue for corrupt in step.corrupt if not corrupt.uuid}  # type: ignore[attr-defined]
        assert any(name in each or each in {"q", "s"} for each in reported), reported
