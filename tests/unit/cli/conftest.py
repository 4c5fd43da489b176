"""The commands run in this process, in a folder of their own with a SQLite store."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alsek.cli.main import main
from alsek.core.broker import Broker
from alsek.core.message import Message
from alsek.storage.backends.sqlite import SQLiteBackend


class Said:
    """What a command said and exited with."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines on stdout."""
        return self.out.splitlines()


class Shell:
    """A working directory in which ``alsek`` is run.

    Attributes:
        folder: The directory.
        store: The path of the store that is used by default.
        backend: The same store, opened.
        broker: A broker on it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "alsek.db"
        self.backend = SQLiteBackend(self.store)
        self.broker = Broker(self.backend)
        self.backend.ping()

    def __call__(self, *arguments: str, typed: str | None = None, **env: str) -> Said:
        """Run ``alsek`` with these arguments. It never raises: what it would is in the answer."""
        result = CliRunner().invoke(main, [*arguments], input=typed, env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Said(result.exit_code, result.stdout, result.stderr)

    def submit(self, task: str = "work", queue: str = "q", **options: Any) -> Message:
        """Submit a message."""
        message = Message(task, queue=queue, **options)
        self.broker.submit(message)
        return message

    def fail(self, error: BaseException, task: str = "work", queue: str = "q", **options: Any) -> Message:
        """Submit a message, and make a dead letter of it."""
        message = self.submit(task, queue, **options)
        self.broker.fail(message, error)
        return message

    def module(self, code: str, name: str = "shop") -> str:
        """Write a module that tasks can be defined in; returns its name."""
        head = f"""
            from alsek import Broker, Message, ResultStore, task
            from alsek.storage.backends.sqlite import SQLiteBackend
            backend = SQLiteBackend({str(self.store)!r})
            broker = Broker(backend)
            result_store = ResultStore(backend)
        """
        text = textwrap.dedent(head) + textwrap.dedent(code)
        (self.folder / f"{name}.py").write_text(text)
        return name


@pytest.fixture
def alsek(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell in an empty folder, with none of Alsek's variables set; modules imported there are forgotten."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("ALSEK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    shell = Shell(tmp_path)
    yield shell
    shell.backend.close()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in known and isinstance(file, str) and Path(file).is_relative_to(tmp_path):
            del sys.modules[name]
