"""What `RedisBackend.examine()` makes of what a server tells of itself. The server's answers are played."""

from __future__ import annotations

from typing import Any

import pytest

from alsek.exceptions import BackendError
from alsek.storage.backends.findings import Finding
from alsek.storage.backends.redis.examination import examine
from alsek.storage.backends.redis.keys import Keys

_GOOD = {
    "redis_version": "7.2.4",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "used_memory": "1000000",
}


class FakeLink:
    """Answers as a server of these facts."""

    where = "Redis at host:1/0"
    direct = False  # it has no users

    def __init__(self, info: dict[str, str], save: str | None) -> None:
        self._info = info
        self._save = save

    def call(self, *arguments: Any) -> Any:
        match arguments[0]:
            case "INFO":
                return "\r\n".join(
                    ["# Server", *(f"{name}:{text}" for name, text in self._info.items())]
                ).encode()
            case "CONFIG" if self._save is None:
                raise BackendError("CONFIG is refused")
            case "CONFIG":
                return [b"save", self._save.encode()]
        return 0


def _found(save: str | None = "", **changed: str | None) -> dict[str, Finding]:
    info = {name: text for name, text in {**_GOOD, **changed}.items() if text is not None}
    link: Any = FakeLink(info, save)
    found: dict[str, Finding] = {}
    for finding in examine(link, Keys("alsek")):
        found[finding.subject] = finding
        if finding.subject == "memory":
            break
    return found


def test_a_good_server_has_no_faults() -> None:
    """What follows changes one fact at a time."""
    assert {finding.level for finding in _found().values()} == {"ok"}


@pytest.mark.parametrize(
    ("version", "level", "text"),
    [
        ("6.0.16", "error", "Redis 6.0.16 is too old: Alsek needs 6.2 or newer."),
        ("6.2.0", "ok", "Redis 6.2.0."),
        (None, "warning", "The server does not tell its version"),
    ],
)
def test_an_old_server_is_an_error(version: str | None, level: str, text: str) -> None:
    """A managed server may tell no version, so that nobody knows."""
    found = _found(redis_version=version)["version"]
    assert found.level == level
    assert found.text.startswith(text)


def test_a_server_that_tells_no_eviction_policy_is_a_warning() -> None:
    """It may delete messages to make room."""
    assert _found(maxmemory_policy=None)["eviction"].level == "warning"


@pytest.mark.parametrize(
    ("save", "level", "text"),
    [
        (None, "warning", "does not tell whether it saves snapshots"),
        ("3600 1", "warning", "snapshots are saved (3600 1)"),
        ("", "error", "keeps nothing on disk"),
    ],
)
def test_without_an_append_only_file_snapshots_count(save: str | None, level: str, text: str) -> None:
    """A crash loses what came after the last snapshot, or all."""
    found = _found(save, aof_enabled="0")["persistence"]
    assert found.level == level
    assert text in found.text


def test_a_save_that_failed_is_an_error() -> None:
    """The disk may be full."""
    found = _found(aof_last_write_status="err")["disk"]
    assert found.level == "error"
    assert "last write of the append-only file failed" in found.text


@pytest.mark.parametrize(("used", "level"), [(89, "ok"), (90, "warning"), (100, "error")])
def test_a_server_that_is_nearly_full_is_told_of(used: int, level: str) -> None:
    """A full one refuses messages."""
    found = _found(used_memory=str(used * 1_000_000), maxmemory="100000000")["memory"]
    assert found.level == level
    assert f"{used}% of maxmemory" in found.text


def test_without_a_limit_the_memory_of_the_machine_counts() -> None:
    """And if that is unknown, what is used is all that is told."""
    assert "50% of the machine's memory" in _found(total_system_memory="2000000")["memory"].text
    assert _found()["memory"].text == "1 MB are used."
