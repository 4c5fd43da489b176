"""The examples of how pools are deployed name commands and options that there are."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from alsek.cli.main import main

DEPLOY = Path(__file__).parents[3] / "examples" / "deploy"
OPERATING = Path(__file__).parents[3] / "docs" / "operating.md"


def _commands() -> dict[str, list[str]]:
    """The command lines of the examples, without the program."""
    unit, image = (DEPLOY / name for name in ("alsek.service", "Dockerfile"))
    (started,) = re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
    (contained,) = re.findall(r"^CMD (\[.*\])$", image.read_text(), re.MULTILINE)
    (deployed,) = re.findall(r"command: \[(.*)\]", OPERATING.read_text())
    return {
        "systemd": shlex.split(started)[1:],
        "docker": json.loads(contained)[1:],
        "kubernetes": [word.strip().strip('"') for word in deployed.split(",")][1:],
    }


@pytest.mark.parametrize("name", ["systemd", "docker", "kubernetes"])
def test_its_command_is_understood(name: str) -> None:
    """The command and each of its options are those of `alsek`."""
    command, *arguments = _commands()[name]
    context = click.Context(main)
    found = main.get_command(context, command)
    assert found is not None
    parsed = found.make_context(command, arguments, parent=context)
    assert parsed.params["package"] == "shop.tasks"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """All but that the program, which is an example, is not there."""
    unit = tmp_path / "alsek.service"
    unit.write_text((DEPLOY / "alsek.service").read_text().replace("/srv/shop/.venv/bin/alsek", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    said = [line for line in done.stderr.splitlines() if "alsek.service" in line]
    assert not said, done.stderr
    assert done.returncode == 0, done.stderr


def test_the_stop_is_given_enough_time() -> None:
    """Longer than the pool's own limit for running tasks."""
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", (DEPLOY / "alsek.service").read_text(), re.MULTILINE)
    from alsek.defaults import DEFAULT_SHUTDOWN_TIMEOUT

    assert int(seconds) * 1_000 > DEFAULT_SHUTDOWN_TIMEOUT
