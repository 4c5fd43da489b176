"""The commands that the documents promise are the ones that are run."""

from __future__ import annotations

import re

from tests.packaging.monorepo import ROOT


def test_ci_runs_the_command_of_the_readme() -> None:
    """What README says to type for the tests is, word for word, what `.ci/run` runs."""
    (command,) = re.findall(
        r"^ +(python3 -m venv .* run test)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE
    )
    assert command in (ROOT / "README.md").read_text().splitlines()


def test_contributing_needs_at_most_eight_commands() -> None:
    """A change needs at most eight commands; those that are needed less often have a list of their own."""
    block, *_ = re.findall(r"```shell\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert len(block.splitlines()) <= 8
