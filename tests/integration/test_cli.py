"""What the command says and exits with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alsek.cli.main import main
from alsek.storage.backends.sqlite import SQLiteBackend
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
        assert default in " ".join(shown.stdout.split())


@pytest.mark.parametrize("command", ["thread-pool", "process-pool"])
def test_each_option_of_a_pool_has_its_variable(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ALSEK_THREAD_POOL_LEASE` stands for `--lease`, and so on for every option; the help names each."""
    entry = main.get_command(click.Context(main), command)
    assert entry is not None
    options = [each for each in entry.params if isinstance(each, click.Option)]
    shown = "".join(CliRunner().invoke(main, [command, "--help"]).stdout.split())
    for option in options:
        assert option.name is not None
        own = f"ALSEK_{command.upper().replace('-', '_')}_{option.name.upper()}"
        assert (option.envvar or own) in shown
    monkeypatch.setenv(f"ALSEK_{command.upper().replace('-', '_')}_LEASE", "5")
    refused = CliRunner().invoke(main, [command, "tasks"])
    assert refused.exit_code == 2
    assert "'--lease': 5" in refused.output


def test_the_package_has_a_variable_too(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """`ALSEK_PACKAGE`; one that is given wins."""
    monkeypatch.setenv("ALSEK_PACKAGE", "no_such_package")
    assert "'no_such_package'" in project.run("thread-pool").stderr
    assert "'no_other_package'" in project.run("process-pool", "no_other_package").stderr


def test_a_variable_named_version_is_not_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ALSEK_VERSION`, which an image may set, changes nothing."""
    monkeypatch.setenv("ALSEK_VERSION", "1.0")
    assert "thread-pool" in CliRunner().invoke(main, ["--help"]).stdout
    assert CliRunner().invoke(main, ["thread-pool"]).exit_code == 2


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


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit(0)", "SystemExit: 0"),
        ("exit()", "SystemExit: None"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Odd(BaseException): ...\nraise Odd('one')", "Odd: one"),
        ("print('usage: tasks'); raise ValueError('two\\nlines')", "ValueError: two\nlines"),
        (
            "class Mute(Exception):\n    def __str__(self): return 1 / 0\nraise Mute",
            "Mute: <Mute whose text can't be had: ZeroDivisionError>",
        ),
    ],
)
def test_a_module_that_exits_while_it_is_imported_is_told_of(project: Project, code: str, said: str) -> None:
    """Whatever it raises: exit code 2, the traceback, and what it was; never an end without a word."""
    (project.folder / "tasks.py").write_text(code)
    shown = project.run("process-pool", "tasks")
    assert shown.returncode == 2
    assert shown.stderr.endswith(f"alsek: 'tasks' can't be imported: {said}\n")
    assert 'tasks.py", line' in shown.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 1), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_ends_an_import_that_hangs(project: Project, number: int, code: int) -> None:
    """Ctrl-C while a module is imported is an interrupt, and not the module's failure; SIGTERM ends it at once."""
    (project.folder / "tasks.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(
        project.command("process-pool", "tasks"),
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "can't be imported" not in errors
    assert "Traceback" not in errors
    if number == signal.SIGINT:
        assert errors == "alsek: interrupted\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
@pytest.mark.parametrize(
    "arguments", [["--help"], ["queue", "list", "--store"], ["status", "--json", "--store"]]
)
def test_an_output_that_cant_be_written_is_told_of(project: Project, arguments: list[str]) -> None:
    """On a full disk: one sentence, and exit code 1."""
    file = project.folder / "some.db"
    SQLiteBackend(str(file)).messages.queues()
    if arguments[-1] == "--store":
        arguments = [*arguments, str(file)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            project.command(*arguments),
            cwd=project.folder,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "alsek: the output can't be written: No space left on device\n"


@pytest.mark.parametrize("target", ["./json.py", "json"])
def test_a_file_with_the_name_of_another_module_is_refused(project: Project, target: str) -> None:
    """`json.py` is not taken for Python's own, whichever way it is named; the command says so, with exit code 2."""
    file = project.folder / "json.py"
    file.write_text("raise SystemExit('imported')\n")
    # Not by `python -m`, which puts the working directory on the path before anything is imported.
    command = [Path(sys.executable).parent / "alsek", "thread-pool", target]
    shown = subprocess.run(
        command, cwd=project.folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert shown.returncode == 2
    assert f"alsek: file {file} can't be imported: 'json' is the name of another module" in shown.stderr


def test_tasks_in_folders_without_init_are_served(project: Project) -> None:
    """A message for a task in a folder without `__init__.py` below the package is run."""
    project.write(ADD, "my_project/a.py")
    (project.folder / "my_project/__init__.py").touch()
    mail = project.write(ADD.replace("add", "send"), "my_project/jobs/mail.py")
    worker = project.worker("--n_processes", "1", target="my_project")
    worker.logged("Tasks: add, send.")
    assert mail.result_store.get(mail.send.generate(args=(1, 1)), timeout=60_000) == 2


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


@pytest.mark.parametrize(
    "option", ["--n_threads=0", "--n_coroutines=100001", "--lease=299", "--log_level=LOUD", "--queues=a,,b"]
)
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
    assert tasks.result_store.get(tasks.add.generate(args=(1, 1)), timeout=60_000) == 2


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


@pytest.mark.parametrize("pool", ["thread-pool", "process-pool"])
def test_logs_are_json_if_asked(project: Project, pool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every line, from every process, those of the user's code too; the variable asks as the option does."""
    tasks = project.write(
        """
        import logging

        @task(broker, max_retries=0)
        def fails() -> None:
            logging.getLogger("shop").info("two\\nlines")
            raise ValueError("no")
        """
    )
    monkeypatch.setenv("ALSEK_LOG_FORMAT", "json")
    tasks.fails.generate()
    worker = project.worker("--burst", pool=pool)
    assert worker.process.wait(60) == 0
    lines = [json.loads(line) for line in worker.log.splitlines()]
    (failure,) = [line for line in lines if line.get("event") == "failed"]
    assert (failure["task"], failure["attempt"], failure["level"]) == ("fails", 1, "ERROR")
    assert "ValueError: no" in failure["exception"]
    assert [line["message"] for line in lines if line["logger"] == "shop"] == ["two\nlines"]
