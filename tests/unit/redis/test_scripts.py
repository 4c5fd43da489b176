"""The scripts, held against what their heads promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis

from alsek.storage.backends.redis.client import script_text
from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, fragments, load

FOLDER = Path(script_text.__file__).parents[1] / "scripts"
SCRIPTS = sorted(FOLDER.glob("*.lua"))
FRAGMENTS = sorted(FOLDER.glob("shared/*.lua"))


def variants() -> dict[str, list[str]]:
    """Of each variant of a script the fragments that are made at once in it."""
    found = (
        re.findall(r"^-- At once in (\S+): (.+)$", path.read_text("utf-8"), re.MULTILINE) for path in SCRIPTS
    )
    return {name: listed.split() for each in found for name, listed in each}


def firsts() -> set[str]:
    """The fragments that are tried before the rest of a script."""
    texts = (path.read_text("utf-8") for path in SCRIPTS)
    return {name for text in texts for name in re.findall(r"^-- First in .+: (\w+)$", text, re.MULTILINE)}


#: Of all scripts and their variants.
NAMES = (*(path.stem for path in SCRIPTS), *variants())
pytestmark = pytest.mark.redis


def _head_and_body(path: Path) -> tuple[str, str]:
    lines = path.read_text("utf-8").splitlines()
    end = next(n for n, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end]), "\n".join(line.partition("-- ")[0] for line in lines[end:])


def _fragments(path: Path) -> list[Path]:
    """All fragments that the loader puts together with this file."""
    always, rarely = fragments(path.read_text("utf-8"))
    return [FOLDER / "shared" / f"{name}.lua" for name in (*always, *rarely)]


def _numbers(text: str, array: str) -> set[int]:
    return {int(number) for number in re.findall(rf"\b{array}\[(\d+)", text)}


@pytest.mark.parametrize("path", SCRIPTS + FRAGMENTS, ids=lambda path: path.stem)
def test_the_head_names_what_is_used(path: Path) -> None:
    """Each key and argument that a file uses by number stands in its head, and no key that it does not use."""
    head, body = _head_and_body(path)
    inherited = set().union(*(_numbers(_head_and_body(part)[0], "ARGV") for part in _fragments(path)), {1})
    assert _numbers(body, "ARGV") <= _numbers(head, "ARGV") | inherited
    assert _numbers(body, "KEYS") == _numbers(head, "KEYS")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_the_head_says_what_is_answered(path: Path) -> None:
    """Each script begins with a sentence on what it does, and says what it returns."""
    head, _ = _head_and_body(path)
    assert re.match(r"-- [A-Z]", head)
    assert "-- Returns: " in head


@pytest.mark.parametrize("path", SCRIPTS + FRAGMENTS, ids=lambda path: path.stem)
def test_no_file_is_long(path: Path) -> None:
    """A file fits on a screen: eighty lines."""
    assert len(path.read_text("utf-8").splitlines()) <= 80


@pytest.mark.parametrize("path", SCRIPTS + FRAGMENTS, ids=lambda path: path.stem)
def test_the_check_of_rights_sees_every_command(path: Path) -> None:
    """A script names its commands where it gives them, so a user who lacks one is told, and not answered wrongly.

    What gives on a command that it was given is `attempt`, and `bulk`, whose commands the check looks for too.
    """
    _, body = _head_and_body(path)
    hidden = re.findall(r"(?<!function )\b(?:call|pcall|try|attempt|bulk)\((?!')[^,)]*", body)
    allowed = {"base": ["try(...", "call(..."], "bulk": ["call(command"]}
    assert hidden == allowed.get(path.stem, [])


@pytest.mark.parametrize("path", SCRIPTS + FRAGMENTS, ids=lambda path: path.stem)
def test_no_script_walks_over_the_keyspace(path: Path) -> None:
    """No step's cost grows with what else is stored."""
    assert not re.search(r"'(KEYS|SCAN|FLUSHDB|FLUSHALL)'", path.read_text("utf-8"))


@pytest.mark.parametrize("tells", [False, True], ids=["everywhere", "partition of a cluster"])
@pytest.mark.parametrize("name", NAMES)
def test_servers_of_both_ages_can_read_it(name: str, tells: bool, redis_url: str) -> None:
    """Both texts of a script compile, and their digests are the server's."""
    client = redis.Redis.from_url(redis_url)
    source = load(name, SERVER_CLOCK, tells=tells)
    assert client.script_load(source.plain).encode() == source.plain_sha
    if int(client.info("server")["redis_version"].split(".")[0]) >= 7:
        assert client.script_load(source.flagged).encode() == source.flagged_sha
    client.close()
