"""What the command says and exits with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.conftest import Project

ADD = """
@task(broker, result_store=result_store)
def add(a: int, b: int) -> int:
    return a + b
"""


@pytest.fixture(params=["sqlite"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> object:
    """These do not depend on the store."""
    return request.getfixturevalue("sqlite_project")


def test_help_explains_each_option_with_its_default(project: Project) -> None:
    """`--help` names every option, in both spellings, and its default."""
    shown = project.run("thread-pool", "--help")
    assert shown.returncode == 0
    for option in ["n_threads", "n_processes", "slot_wait_interval", "complete_only_on_thread_exit", "lease",
                   "shutdown_timeout", "max_losses", "max_tasks_per_group", "max_memory", "log_level"]:  # fmt: skip
        assert f"--{option}" in shown.stdout
        assert f"--{option.replace('_', '-')}" in shown.stdout
    for default in ["-qu", "default: 8", "default: 15000", "default: 25000", "default: INFO"]:
        assert default in shown.stdout


def test_nothing_to_import_is_a_usage_error(project: Project) -> None:
    """Exit code 2, and a sentence that says what was looked for, and where."""
    shown = project.run("thread-pool", "no_such_module")
    assert shown.returncode == 2
    assert "no module or package 'no_such_module'" in shown.stderr
    assert str(project.folder) in shown.stderr
    assert "Traceback" not in shown.stderr


def test_a_module_that_fails_shows_its_own_traceback(project: Project) -> None:
    """Exit code 2, and the traceback begins in the user's file."""
    (project.folder / "broken.py").write_text("import os\n\nos.environ['NOT_THERE_AT_ALL']\n")
    shown = project.run("thread-pool", "broken")
    assert shown.returncode == 2
    assert 'broken.py", line 3' in shown.stderr
    assert "KeyError: 'NOT_THERE_AT_ALL'" in shown.stderr
    assert "importlib" not in shown.stderr


def test_a_missing_dependency_of_the_module_is_named(project: Project) -> None:
    """A module that imports what is not installed is not reported as missing itself."""
    (project.folder / "needy.py").write_text("import not_installed_anywhere\n")
    shown = project.run("thread-pool", "needy")
    assert shown.returncode == 2
    assert "No module named 'not_installed_anywhere'" in shown.stderr
    assert 'needy.py", line 1' in shown.stderr


def test_a_module_without_tasks_is_a_usage_error(project: Project) -> None:
    """Exit code 2, and what to do about it."""
    (project.folder / "empty.py").write_text("x = 1\n")
    shown = project.run("thread-pool", "empty")
    assert shown.returncode == 2
    assert "defines no task" in shown.stderr


def test_tasks_for_processes_alone_are_a_usage_error(project: Project) -> None:
    """Exit code 2, and the name of the command to start instead."""
    project.write('@task(broker, mechanism="process")\ndef heavy() -> None: ...\n')
    shown = project.run("thread-pool", "tasks")
    assert shown.returncode == 2
    assert "alsek process-pool" in shown.stderr


def test_a_store_that_is_away_has_its_own_exit_code(project: Project) -> None:
    """Exit code 3; the text says where it was looked for, and shows no password."""
    (project.folder / "away.py").write_text(
        "from alsek import Broker, task\n"
        "from alsek.storage.backends.redis import RedisBackend\n"
        "@task(Broker(RedisBackend('redis://:secret@127.0.0.1:1/0')))\n"
        "def nothing() -> None: ...\n"
    )
    shown = project.run("thread-pool", "away")
    assert shown.returncode == 3
    assert "127.0.0.1:1" in shown.stderr
    assert "secret" not in shown.stderr
    assert "Traceback" not in shown.stderr


@pytest.mark.parametrize("option", ["--n_threads=0", "--lease=299", "--log_level=LOUD", "--queues=a,,b"])
def test_an_option_out_of_range_is_a_usage_error(project: Project, option: str) -> None:
    """Exit code 2, and the option's name."""
    project.write(ADD)
    shown = project.run("thread-pool", "tasks", option)
    assert shown.returncode == 2
    assert option.partition("=")[0].lstrip("-")[:3] in shown.stderr


@pytest.mark.parametrize(
    ("file", "target"),
    [
        ("tasks.py", "tasks"),
        ("tasks.py", "tasks.py"),
        ("tasks.py", "."),
        ("my_project/my_tasks.py", "my_project.my_tasks"),
        ("my_project/my_tasks.py", "my_project"),
        ("my_project/deep/er/my_tasks.py", "my_project"),
        ("my_project/my_tasks.py", "my_project/my_tasks.py"),
        ("my_project/my_tasks.py", "./my_project"),
    ],
)
def test_tasks_are_found_wherever_they_are_named(project: Project, file: str, target: str) -> None:
    """A module, a dotted path, a package (scanned recursively), a file or a folder: each brings the task online."""
    tasks = project.write(ADD, file)
    for parent in Path(file).parents:
        if parent != Path():
            (project.folder / parent / "__init__.py").touch()
    project.worker("--n_processes", "1", target=target)
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=20_000) == 2


def test_a_package_and_its_parts_define_a_task_once(project: Project) -> None:
    """A task that several modules import is one task; two different ones of one name are an error."""
    project.write(ADD, "pkg/one.py")
    (project.folder / "pkg/__init__.py").touch()
    (project.folder / "pkg/two.py").write_text("from pkg.one import add, broker, task\n")
    worker = project.worker("--n_processes", "1", target="pkg")
    worker.logged("Tasks: add.")
    with (project.folder / "pkg/two.py").open("a") as two:
        two.write("\n@task(broker)\ndef add() -> None: ...\n")
    shown = project.run("thread-pool", "pkg")
    assert shown.returncode == 2
    assert "two tasks are named 'add'" in shown.stderr
