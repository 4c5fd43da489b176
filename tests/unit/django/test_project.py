"""What Alsek makes of a project: its settings, its tasks, its connections."""

from __future__ import annotations

import importlib
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection, connections
from django.test import override_settings

from alsek.core.middleware import Middleware
from alsek.django import AlsekBackend, DatabaseConnections, broker
from alsek.django.discovery import close_connections_around_attempts
from alsek.django.management.commands.alsek import Command
from alsek.exceptions import AlsekError
from alsek.storage.backends.memory import MemoryBackend
from alsek.testing import TestWorker


def backend(**options: Any) -> AlsekBackend:
    """A backend with these OPTIONS."""
    return AlsekBackend("it", {"OPTIONS": options})


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "must name a store, such as 'redis://localhost'"),
        ({"store": "redis://localhost", "broker": "it"}, "and not both"),
        ({"store": "postgres://localhost"}, "no store has this scheme"),
        ({"store": "redis://localhost:nowhere"}, "TASKS['it']['OPTIONS']"),
        ({"store": 7}, "must be a url, or a path"),
        (
            {"store": "redis://localhost", "max_retris": 3},
            "has no option 'max_retris' (did you mean 'max_retries'?)",
        ),
        ({"store": "redis://localhost", "max_retries": -1}, "max_retries=-1"),
        ({"store": "redis://localhost", "timeout": "1 h"}, "timeout='1 h'"),
        ({"store": "redis://localhost", "on_commit": 1}, "must be True, False or the name of a database"),
        ({"broker": "nowhere.broker"}, "can't be imported"),
        ({"broker": "os.path.join"}, "must be a Broker"),
    ],
)
def test_wrong_options_are_found_by_the_check(tasks: ModuleType, options: Any, text: str) -> None:
    """Django's system check says what is wrong, and so does what needs the store."""
    wrong = backend(**options)
    assert [(each.id, text in each.msg) for each in wrong.check()] == [("alsek.E001", True)]
    with pytest.raises(AlsekError) as caught:
        _ = wrong.store
    assert text in str(caught.value)
    assert isinstance(caught.value, ImproperlyConfigured)


def test_a_store_whose_package_is_missing(tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check names the package to install."""
    from alsek.cli import stores

    def missing(name: str) -> Any:
        raise ModuleNotFoundError("it", name="alsek-redis")

    monkeypatch.setattr(stores, "import_module", missing)
    (found,) = backend(store="redis://localhost:1", namespace="missing").check()
    assert found.msg.endswith("pip install alsek-redis")


def test_right_options(tasks: ModuleType, tmp_path: Path) -> None:
    """A path is a store too, and durations may be timedeltas; a broker may be named, and is used as it is."""
    found = backend(store=tmp_path / "it.db", timeout=timedelta(minutes=5))
    assert list(found.check()) == []
    assert found.alsek_options.timeout == 300_000
    assert broker() is tasks.plain.broker
    assert backend(broker="tests.unit.django.project.tasks.their_broker").broker is broker()
    with pytest.raises(AlsekError, match=r"TASKS\['elsewhere'\] is .*DummyBackend: must be"):
        broker("elsewhere")


@override_settings(INSTALLED_APPS=[])
def test_an_application_that_is_not_installed(tasks: ModuleType) -> None:
    """The check warns if manage.py will have no command alsek."""
    assert [each.id for each in backend(store="redis://localhost").check()] == ["alsek.W001"]


def test_tasks_are_found_in_the_applications(tasks: ModuleType) -> None:
    """Those of Django's whose backend is Alsek's, and Alsek's own; each by its name."""
    discovered = importlib.import_module("alsek.django.discovered")
    names = {name.removeprefix("task ") for name in vars(discovered) if name.startswith("task ")}
    ours = {"add", "say", "fail", "fail_twice", "attempt", "wait", "note", "double", "wrong", "careful"}
    module = "tests.unit.django.project.tasks"
    assert names == {f"{module}.{name}" for name in ours} | {"plain", "only_one", "query"}


def test_connections_are_closed_around_attempts(tasks: ModuleType, worker: TestWorker) -> None:
    """An attempt of any task begins with a new connection if the old one is too old, and leaves none behind."""
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    before = connection.connection
    assert before is not None
    tasks.query.send()
    worker.run()
    assert tasks.seen[0] is not before
    assert connection.connection is None


def test_the_middleware_is_given_once(tasks: ModuleType) -> None:
    """It is the outermost, and is not added to a broker that has it."""
    from alsek import Broker

    class Other(Middleware):
        pass

    given = Broker(MemoryBackend(), middleware=[Other()])
    for _ in range(2):
        close_connections_around_attempts(given)
    assert [type(each) for each in given.middleware] == [DatabaseConnections, Other]
    assert given.attempt_middleware == given.middleware[:1]


def test_the_command_is_that_of_alsek(
    tasks: ModuleType, worker: TestWorker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`manage.py alsek status` shows the store of the project."""
    monkeypatch.setenv("ALSEK_PACKAGE", "alsek.django.discovered")
    monkeypatch.setattr("sys.argv", ["manage.py"])
    with pytest.raises(SystemExit) as ended:
        call_command("alsek", "thread-pool", "--help")
    assert ended.value.code == 0
    assert "Run the tasks of PACKAGE in threads" in capsys.readouterr().out
    connections.close_all()


def test_one_backend_can_be_named(tasks: ModuleType, tmp_path: Path) -> None:
    """Then all tasks of Django's are on its store, and those of Alsek's that are; another alias is refused."""
    from alsek.django.discovery import discover

    found = discover([tasks], "stubborn").tasks
    assert len(found) == 10
    assert {task.broker for task in found} == {broker("stubborn")}
    assert len(discover([tasks], "default").tasks) == 13
    with pytest.raises(AlsekError, match="TASKS has no 'nobody'"):
        discover([tasks], "nobody")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend"], "needs the alias"),
        (["--backend", "nobody", "status"], "TASKS has no 'nobody'"),
    ],
)
def test_what_the_command_refuses(
    tasks: ModuleType, arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A backend without a name or of a wrong one: with a sentence, and exit code 2."""
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(["manage.py", "alsek", *arguments])
    assert ended.value.code == 2
    assert text in capsys.readouterr().err


def test_options_of_django_are_left_out(tasks: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """--settings and --pythonpath are Django's own; the command of Alsek's does not see them."""
    with pytest.raises(SystemExit) as ended:
        Command().run_from_argv(
            ["manage.py", "alsek", "--settings", "it", "thread-pool", "--pythonpath=it", "--help"]
        )
    assert ended.value.code == 0
    assert "Usage: manage.py alsek thread-pool" in capsys.readouterr().out
