"""The hand-picked mistakes of ``hatch run mutants`` can still be made: the command itself runs seldom."""

from __future__ import annotations

import tomllib

import pytest

from tests.packaging.monorepo import ROOT

_PICKED = tomllib.loads((ROOT / "tests/mutants/hand_picked.toml").read_text())["mutant"]


@pytest.mark.parametrize("picked", _PICKED, ids=[each["what"] for each in _PICKED])
def test_a_mistake_can_be_made_and_has_tests(picked: dict[str, str]) -> None:
    """The line that it changes stands once in its file, and the tests that must notice it are there."""
    assert (ROOT / picked["file"]).read_text().count(picked["old"]) == 1, (
        "write the entry anew for the line of today"
    )
    assert picked["old"] != picked["new"]
    tests = [each for each in picked["tests"] if each.startswith("tests/")]
    assert tests
    assert [each for each in tests if not (ROOT / each).exists()] == []
