"""Follows a page as a reader does: saves its files, types its commands, and compares what they print.

- A block of Python that begins with the comment ``# NAME.py`` is saved under that name.
- A block of shell is commands, a line each. Those that set up an environment are left out. One that does not end by
  itself (`SERVERS`) runs on, until it is typed again or the page ends; its first line of log that says that it is
  ready is waited for.
- A block ``text`` right after a block of shell is what its last command prints; ``…`` stands for anything.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

_FENCE = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"# (?P<name>[\w/]+\.py)\n")

#: What a reader does once, and the tests' environment has: and what the reader does to the shell.
_SET_UP: Final = ("python3 -m venv", ". .venv", "pip install", "git clone")

#: Commands that run on, with what they log when they are ready.
SERVERS: Final = {
    "alsek thread-pool": "Started group",
    "alsek process-pool": "Started group",
    "uvicorn": "Application startup complete",
    "flask": "Running on",
}

WAIT_S: Final = 240.0


class FollowedPage:
    """One page, followed in a folder. A context manager: what it started ends with it.

    Args:
        page: The Markdown file.
        folder: An empty folder.
    """

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.n_commands = 0
        self._servers: dict[str, subprocess.Popen[bytes]] = {}
        scripts = Path(sys.executable).parent
        self._environ = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}

    def __enter__(self) -> FollowedPage:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._servers):
            self._stop(name)

    def follow(self) -> None:
        """Do what the page says, from top to bottom."""
        printed = None
        for block in _FENCE.finditer(self.page.read_text()):
            language, body = block["language"], block["body"]
            if language == "python" and (file := _FILE.match(body)):
                path = self.folder / file["name"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(body)
            elif language == "shell":
                for command in body.splitlines():
                    if command and not command.startswith(_SET_UP):
                        printed = self._type(command)
            elif language == "text" and printed is not None:
                pattern = ".*".join(map(re.escape, body.strip().split("…")))
                assert re.fullmatch(pattern, printed.strip(), re.DOTALL), f"{self.page.name}: {printed}"
                printed = None

    def _type(self, command: str) -> str | None:
        """Run a command to its end and return what it printed; or start one that runs on."""
        self.n_commands += 1
        for name, ready in SERVERS.items():
            if command.startswith(name) and "--burst" not in command:
                self._start(name, command, ready)
                return None
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{self.page.name}: {command}\n{done.stdout}{done.stderr}{self._logs()}"
        return done.stdout

    def _start(self, name: str, command: str, ready: str) -> None:
        self._stop(name)
        log = self._log_of(name)
        with log.open("wb") as out:
            self._servers[name] = subprocess.Popen(
                shlex.split(command), cwd=self.folder, env=self._environ, stdout=out, stderr=out
            )
        deadline = time.monotonic() + WAIT_S
        while ready not in log.read_text():
            assert self._servers[name].poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)

    def _stop(self, name: str) -> None:
        server = self._servers.pop(name, None)
        if server is None:
            return
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(timeout=60)
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()

    def _log_of(self, name: str) -> Path:
        return self.folder / f".{name.replace(' ', '-')}.log"

    def _logs(self) -> str:
        return "".join(f"\n── {name}\n{self._log_of(name).read_text()}" for name in self._servers)
