"""``alsek dashboard``."""

from __future__ import annotations

import http.client
import signal
import subprocess
import sys
import urllib.request
from importlib import import_module
from typing import Any

import pytest

from alsek.cli.actions import serving_dashboard
from tests.unit.cli.conftest import Shell


def test_without_its_package_it_says_what_to_install(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, and exit code 2."""

    def missing(name: str) -> Any:
        raise ModuleNotFoundError(f"{name!r} lives in alsek-dashboard", name="alsek-dashboard")

    monkeypatch.setattr(serving_dashboard, "import_module", missing)
    said = alsek("dashboard")
    assert said.code == 2
    assert (
        said.err
        == "alsek: the dashboard is in a package that is not installed: pip install alsek-dashboard\n"
    )


def test_others_are_let_in_with_a_token_alone(alsek: Shell) -> None:
    """An address that others can reach is refused without one."""
    said = alsek("dashboard", "--host", "0.0.0.0")
    assert said.code == 2
    assert "--host 0.0.0.0 lets others in: add a --token" in said.err


def test_a_port_that_is_taken(alsek: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the address, and the exit code is 1."""
    serving = import_module("alsek.dashboard.serving")

    def taken(*_: Any, **__: Any) -> Any:
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(serving.socket, "create_server", taken)
    said = alsek("dashboard", "--port", "8080")
    assert said.code == 1
    assert "can't listen on 127.0.0.1, port 8080" in said.err


@pytest.mark.slow
def test_it_serves_until_ctrl_c(alsek: Shell) -> None:
    """It says where it listens, answers under the names of this machine alone, and ends at once, with pages open."""
    alsek.submit()
    command = [sys.executable, "-m", "alsek.cli", "dashboard", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=alsek.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().partition('"url": "')[2].partition('"')[0]
        assert url.startswith("http://127.0.0.1:")
        connection = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=60)
        answers = []
        for headers in ({}, {"Host": "evil.example"}):
            connection.request("GET", "/queues", headers=headers)
            answer = connection.getresponse()
            answers.append((answer.status, b'href="/queue?name=q"' in answer.read()))
        connection.close()
        with urllib.request.urlopen(f"{url}events?page=overview", timeout=60) as stream:
            assert stream.readline() == b"retry: 1000\n"
            process.send_signal(signal.SIGINT)
            stream.read()  # it ends, because the server does
        said = process.communicate(timeout=60)
        assert (process.returncode, said) == (0, ("", ""))
    assert answers == [(200, True), (421, False)]
