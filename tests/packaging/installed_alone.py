"""What must hold of a package installed alone, in an environment with nothing but what it declares.

Run by tox with the name of what was installed (``alsek-core[redis]``, say), and by the standard library's
unittest: with pytest and what it needs, the environment would no longer be that of the package.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import unittest
from importlib import metadata

#: Which packages of the family each requirement brings along, itself included.
FAMILY = {
    "alsek-core": {"alsek-core"},
    "alsek-core[redis]": {"alsek-core", "alsek-redis"},
    "alsek-core[sqlite]": {"alsek-core", "alsek-sqlite"},
    "alsek-workers": {"alsek-core", "alsek-workers"},
    "alsek-tools": {"alsek-core", "alsek-tools"},
    "alsek-cli": {"alsek-core", "alsek-workers", "alsek-cli"},
    "alsek-dashboard": {"alsek-core", "alsek-dashboard"},
    "alsek-django": {"alsek-core", "alsek-workers", "alsek-cli", "alsek-django"},
    "alsek": {
        "alsek",
        "alsek-core",
        "alsek-redis",
        "alsek-sqlite",
        "alsek-workers",
        "alsek-tools",
        "alsek-cli",
    },
}

#: The topmost module of each package that has code.
HOMES = {
    "alsek-core": "alsek",
    "alsek-redis": "alsek.storage.backends.redis",
    "alsek-sqlite": "alsek.storage.backends.sqlite",
    "alsek-workers": "alsek.core.worker",
    "alsek-tools": "alsek.tools",
    "alsek-cli": "alsek.cli",
    "alsek-dashboard": "alsek.dashboard",
    "alsek-django": "alsek.django",
}

#: What each package is imported for.
IMPORTS = {
    "alsek": [],
    "alsek-core": [
        "from alsek import Broker, Consumer, Lock, Message, ResultStore",
        "from alsek import StatusTracker, Task, TaskStatus, task",
        "from alsek.core.backoff import ExponentialBackoff",
        "from alsek.core.broker import Broker",
        "from alsek.core.concurrency import Lock",
        "from alsek.core.consumer import Consumer",
        "from alsek.core.message import Message",
        "from alsek.core.status import StatusTracker",
        "from alsek.core.task import TriggerTask",
        "from alsek.exceptions import Retry",
        "from alsek.storage.backends import LazyClient",
        "from alsek.storage.backends.abstract import Backend",
        "from alsek.storage.backends.memory import MemoryBackend",
        "from alsek.storage.result import ResultStore",
        "from alsek.storage.serialization import JsonSerializer",
    ],
    "alsek-redis": [
        "from alsek.storage.backends.redis import RedisBackend",
        "from alsek.storage.backends.redis.standard import RedisBackend",
    ],
    "alsek-sqlite": ["from alsek.storage.backends.sqlite import SQLiteBackend"],
    "alsek-workers": ["from alsek.core.worker.thread import ThreadWorkerPool"],
    "alsek-tools": ["import alsek.tools"],
    "alsek-cli": ["from alsek.cli.main import main"],
    "alsek-dashboard": ["from alsek.dashboard import dashboard", "from alsek.dashboard.serving import serve"],
    "alsek-django": ["from alsek.django import DatabaseConnections", "import alsek.django.transactions"],
}

#: What an environment has before anything is installed.
INSTALLERS = {"pip", "setuptools", "wheel"}

REQUIREMENT = sys.argv.pop()
PRESENT = FAMILY[REQUIREMENT]
ALL = {name for family in FAMILY.values() for name in family}
ABSENT = ALL - PRESENT - {"alsek"}


def normalized(name: str) -> str:
    """A distribution's name as PEP 503 compares them."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(name: str, extras: frozenset[str]) -> set[tuple[str, frozenset[str]]]:
    """What an installed distribution requires with `extras`: names, and the extras asked of each.

    Markers other than of extras are not judged; what is not installed because of one is left out.
    """
    found = set()
    for line in metadata.requires(name) or []:
        text, _, marker = line.partition(";")
        wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if wanted is not None and normalized(wanted[1]) not in extras:
            continue
        match = re.match(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?", text)
        assert match is not None, line
        asked = frozenset(normalized(extra.strip()) for extra in (match[2] or "").split(",") if extra.strip())
        found.add((normalized(match[1]), asked))
    return found


def closure(requirement: str) -> set[str]:
    """The names of all distributions that `requirement` may bring along, itself included."""
    name, _, extras = requirement.rstrip("]").partition("[")
    waiting = {(name, frozenset({extras} - {""}))}
    seen: set[tuple[str, frozenset[str]]] = set()
    installed = {normalized(distribution.name) for distribution in metadata.distributions()}
    while waiting:
        entry = waiting.pop()
        seen.add(entry)
        if entry[0] in installed:
            waiting |= declared(*entry) - seen
    return {name for name, _ in seen}


class InstalledAlone(unittest.TestCase):
    """The environment has the package, all that it needs, and nothing else."""

    def test_nothing_but_what_is_declared_is_installed(self) -> None:
        """Every distribution in the environment is declared by one that belongs there."""
        installed = {normalized(distribution.name) for distribution in metadata.distributions()}
        self.assertEqual(installed - INSTALLERS - closure(REQUIREMENT), set())

    def test_the_packages_it_declares_are_there(self) -> None:
        """The packages of the family are exactly those that it stands on."""
        installed = {normalized(distribution.name) for distribution in metadata.distributions()}
        self.assertEqual({name for name in installed if name in ALL}, PRESENT)

    def test_what_it_is_for_imports(self) -> None:
        """Each import that a package is installed for works in a fresh interpreter, as the first one."""
        for package in sorted(PRESENT):
            for statement in IMPORTS[package]:
                with self.subTest(statement=statement):
                    done = subprocess.run(
                        [sys.executable, "-I", "-W", "error", "-c", statement],
                        capture_output=True,
                        text=True,
                        check=False,
                    )
                    self.assertEqual(done.returncode, 0, done.stderr)

    def test_absent_packages_say_what_to_install(self) -> None:
        """A module of a package that is not there names the package, however it is imported."""
        for package in sorted(ABSENT):
            module = HOMES[package]
            parent, _, leaf = module.rpartition(".")
            for statement in (
                f"import {module}",
                f"from {parent} import {leaf}",
                f"from {module} import anything",
            ):
                with self.subTest(statement=statement), self.assertRaises(ModuleNotFoundError) as caught:
                    exec(statement, {})
                self.assertEqual(
                    str(caught.exception), f"{module!r} lives in {package}: pip install {package}"
                )

    def test_it_is_typed(self) -> None:
        """Type checkers find a `py.typed` in the topmost folder of each package that has code."""
        for package in sorted(PRESENT - {"alsek"}):
            with self.subTest(package=package):
                files = [str(file) for file in metadata.files(package) or []]
                self.assertIn(HOMES[package].replace(".", "/") + "/py.typed", files)


@unittest.skipUnless(REQUIREMENT == "alsek-core", "of the core alone")
class CoreAlone(unittest.TestCase):
    """The core stands on the standard library."""

    def test_it_declares_no_dependency(self) -> None:
        """Without extras, alsek-core requires nothing."""
        self.assertEqual(closure("alsek-core"), {"alsek-core"})

    def test_the_names_of_the_front_door_work(self) -> None:
        """A producer's imports work, and a message can be submitted to the store in memory."""
        program = (
            "from alsek import Broker, task\n"
            "from alsek.storage.backends.memory import MemoryBackend\n"
            "broker = Broker(MemoryBackend())\n"
            "@task(broker)\n"
            "def add(a: int, b: int) -> int:\n"
            "    return a + b\n"
            "assert add(1, b=1) == 2\n"
            "assert broker.exists(add.generate(args=(1, 1)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-W", "error", "-c", program], capture_output=True, text=True, check=False
        )
        self.assertEqual(done.returncode, 0, done.stderr)


@unittest.skipUnless(REQUIREMENT == "alsek", "of the whole family")
class WholeFamily(unittest.TestCase):
    """The meta-package has all that the guided tour uses."""

    def test_the_tours_imports(self) -> None:
        """Each import path of the guided tour works."""
        names = {
            "alsek": "Broker Lock Message ResultStore StatusTracker Task TaskStatus task",
            "alsek.core.backoff": "ConstantBackoff ExponentialBackoff LinearBackoff",
            "alsek.core.consumer": "Consumer",
            "alsek.core.task": "Task TriggerTask task",
            "alsek.core.worker.process": "ProcessWorkerPool",
            "alsek.core.worker.thread": "ThreadWorkerPool",
            "alsek.storage.backends": "LazyClient",
            "alsek.storage.backends.abstract": "LazyClient",
            "alsek.storage.backends.redis": "RedisBackend",
            "alsek.storage.backends.redis.standard": "RedisBackend",
            "alsek.storage.backends.sqlite": "SQLiteBackend",
            "alsek.storage.result": "ResultStore",
            "alsek.storage.serialization": "JsonSerializer Serializer",
            "alsek.tools": "ResultPool StatusTrackerIntegrityScanner StatusTrackerIntegryScanner",
            "apscheduler.triggers.interval": "IntervalTrigger",
            "hiredis": "Reader",
        }
        for module, wanted in names.items():
            for name in wanted.split():
                with self.subTest(module=module, name=name):
                    self.assertTrue(hasattr(importlib.import_module(module), name))

    def test_the_command_answers(self) -> None:
        """`alsek --help` works and names both kinds of pool."""
        script = next(
            file for file in metadata.files("alsek-cli") or [] if file.name in {"alsek", "alsek.exe"}
        )
        done = subprocess.run([str(script.locate()), "--help"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("thread-pool", done.stdout)
        self.assertIn("process-pool", done.stdout)


if __name__ == "__main__":
    unittest.main()
