"""Which modules a name or path stands for, and what is refused: real folders, in a fresh interpreter each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

#: It starts many processes.
pytestmark = pytest.mark.slow

#: Prints what it finds as `module:task`, or why it finds nothing.
PROGRAM = """
import sys
from alsek.cli.run_pool import find
try:
    found = find(sys.argv[1])
    print(*sorted(f"{task.function.__module__}:{task.name}" for task in found.tasks))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""

HEAD = """
from alsek import Broker, task
from alsek.storage.backends.memory import MemoryBackend
broker = Broker(MemoryBackend())
"""

Write = Callable[..., Path]


def find(target: str | Path, folder: Path) -> str:
    """What is found for a target, seen from this working directory."""
    # As with the command, the working directory is not on Python's path at first: -c would put it there.
    command = [sys.executable, "-Pc", PROGRAM, str(target)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def a_task(name: str, head: str = HEAD) -> str:
    """The source of a module that defines a task."""
    return f"{head}\n@task(broker)\ndef {name}(): ...\n"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the project; those that end in `__init__.py` are empty, others define a task named for them."""

    def put(file: str, text: str | None = None) -> Path:
        place = tmp_path / file
        place.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            text = (
                "" if place.name == "__init__.py" else a_task(place.stem.replace("-", "_").replace(" ", "_"))
            )
        place.write_text(text)
        return place

    return put


@pytest.mark.parametrize("target", ["pkg", "pkg/", "./pkg", "pkg/../pkg/"])
def test_folders_without_init_below_a_package_are_part_of_it(
    tmp_path: Path, write: Write, target: str
) -> None:
    """As Python itself finds them, however deep; packages in them as well."""
    for file in ("__init__.py", "a.py", "jobs/mail.py", "jobs/very/deep.py", "jobs/declared/__init__.py"):
        write(f"pkg/{file}")
    write("pkg/jobs/declared/inner.py")
    assert find(target, tmp_path) == (
        "pkg.a:a pkg.jobs.declared.inner:inner pkg.jobs.mail:mail pkg.jobs.very.deep:deep"
    )


@pytest.mark.parametrize("target", ["folder", "folder/", "./folder"])
def test_a_folder_of_folders_is_looked_through(tmp_path: Path, write: Write, target: str) -> None:
    """No `__init__.py` anywhere: what is in the folder is imported as seen from there."""
    write("folder/my_project/a.py")
    write("folder/my_project/jobs/mail.py")
    assert find(target, tmp_path) == "my_project.a:a my_project.jobs.mail:mail"


def test_what_is_no_part_of_a_package_is_left_alone(tmp_path: Path, write: Write) -> None:
    """Hidden folders, virtual environments, tests and built copies without `__init__.py`, and scripts are not run."""
    write("pkg/__init__.py")
    write("pkg/a.py")
    for folder in (
        ".hidden",
        "__pycache__",
        "node_modules",
        "tests",
        "test",
        "build",
        "dist",
        "not-a-name",
        "venv",
    ):
        write(f"pkg/{folder}/trap.py")
    write("pkg/venv/pyvenv.cfg", "")
    write("pkg/__main__.py", "raise SystemExit('run')")
    write("pkg/migrations/env.py", "raise RuntimeError('not under alembic')")
    write("pkg/scripts/enqueue.py", "from pkg.a import a\na.generate()\nraise SystemExit\n")
    write(
        "pkg/scripts/plot.py", "import not_installed\nclass Plot:\n    @property\n    def size(self): ...\n"
    )
    write("pkg/jobs/mail.py")
    assert find("pkg", tmp_path) == "pkg.a:a pkg.jobs.mail:mail"


def test_tests_that_are_declared_a_package_are_imported(tmp_path: Path, write: Write) -> None:
    """With an `__init__.py` a folder says that it is part of the package, whatever its name is."""
    write("pkg/__init__.py")
    write("pkg/tests/__init__.py")
    write("pkg/tests/fakes.py")
    assert find("pkg", tmp_path) == "pkg.tests.fakes:fakes"


def test_tasks_made_without_a_decorator_are_found_too(tmp_path: Path, write: Write) -> None:
    """In a folder without `__init__.py`, a file that calls `task` defines tasks as well."""
    write("pkg/__init__.py")
    write("pkg/jobs/mail.py", f"{HEAD}\ndef send(): ...\nmail = task(broker, name='mail')(send)\n")
    assert find("pkg", tmp_path) == "pkg.jobs.mail:mail"


def test_a_file_that_can_not_be_parsed_is_told_of(tmp_path: Path, write: Write) -> None:
    """A slip in a file of tasks is an error, and not a task that nobody knows."""
    write("pkg/__init__.py")
    write("pkg/a.py")
    write("pkg/jobs/mail.py", a_task("mail") + "def broken(:\n")
    assert find("pkg", tmp_path).startswith(
        "ModuleImportError: 'pkg.jobs.mail' can't be imported: SyntaxError"
    )


@pytest.mark.parametrize("target", ["src", "src/", "./src", "src/."])
def test_a_name_and_a_path_of_a_folder_are_the_same(tmp_path: Path, write: Write, target: str) -> None:
    """`src` and `src/`: its packages are imported by the names that they call one another by."""
    write("src/pkg/__init__.py")
    write("src/pkg/a.py")
    write("src/pkg/b.py", "from pkg.a import a\n" + a_task("b"))
    write("src/helper.py", "")
    write("src/main.py", "import helper\n" + a_task("main"))
    assert find(target, tmp_path) == "main:main pkg.a:a pkg.b:b"


@pytest.mark.parametrize(
    "statement", ["from my_project.a import a", "import my_project.a", "from .a import a"]
)
@pytest.mark.parametrize("target", ["my_project", "my_project/", "./my_project", "my_project/b.py"])
def test_a_folder_whose_modules_take_it_for_a_package_is_one(
    tmp_path: Path, write: Write, target: str, statement: str
) -> None:
    """Without an `__init__.py` too: then no module is imported under two names."""
    write("my_project/a.py")
    write("my_project/b.py", f"{statement}\n{a_task('b')}")
    a, b = "my_project.a:a", "my_project.b:b"
    if target.endswith(".py"):
        assert find(target, tmp_path) == (b if statement == "import my_project.a" else f"{a} {b}")
    else:
        assert find(target, tmp_path) == f"{a} {b}"


def test_a_folder_that_has_the_name_of_a_package_is_no_package(tmp_path: Path, write: Write) -> None:
    """A folder named as what its modules import, an installed package say, is just a folder."""
    write("alsek/tasks.py")
    write("my_project/my_project/__init__.py")
    write("my_project/my_project/a.py")
    write("my_project/b.py", "from my_project.a import a\n" + a_task("b"))
    assert find("tasks.py", tmp_path / "alsek") == "tasks:tasks"
    assert find(".", tmp_path / "alsek") == "tasks:tasks"
    assert find(".", tmp_path / "my_project") == "b:b my_project.a:a"


@pytest.mark.parametrize(
    ("file", "target", "module"),
    [
        ("tasks.py", "tasks", "tasks"),
        ("tasks.py", "./tasks.py", "tasks"),
        ("tasks.py", "{}/tasks.py", "tasks"),
        ("pkg/tasks.py", "./pkg/tasks.py", "tasks"),
        ("pkg/tasks.py", "{}/pkg/../pkg/tasks.py", "tasks"),
        ("my-project/some tasks.py", "my-project/some tasks.py", "some tasks"),
        ("my-tasks.py", "my-tasks", "my-tasks"),
        ("my-tasks.py", "./my-tasks.py", "my-tasks"),
        ("test.py", "./test.py", "test"),
        ("test.py", "test", "test"),
        ("tasks/tasks.py", "tasks/tasks.py", "tasks"),
    ],
)
def test_a_file_is_imported_by_its_name(
    tmp_path: Path, write: Write, file: str, target: str, module: str
) -> None:
    """However its path is written: relative, absolute, with `..`, dashes or blanks."""
    write(file)
    name = Path(file).stem.replace("-", "_").replace(" ", "_")
    assert find(target.format(tmp_path), tmp_path) == f"{module}:{name}"


def test_a_file_in_a_package_has_its_dotted_name(tmp_path: Path, write: Write) -> None:
    """Seen from the folder above the topmost package, wherever the working directory is."""
    for file in ("pkg/__init__.py", "pkg/deep/__init__.py"):
        write(file)
    file = write("pkg/deep/tasks.py")
    assert find(file, Path("/")) == "pkg.deep.tasks:tasks"
    assert find("../tasks.py", write("pkg/deep/er/x.py").parent) == "pkg.deep.tasks:tasks"


@pytest.mark.parametrize("name", ["json", "alsek", "click", "calendar", "sys"])
@pytest.mark.parametrize("spelling", ["./{}.py", "{}.py", "{}"])
def test_a_file_with_the_name_of_another_module_is_refused(
    tmp_path: Path, write: Write, name: str, spelling: str
) -> None:
    """The other one is not imported in its place; the sentence says which file, why, and what to do."""
    file = write(f"{name}.py")
    said = find(spelling.format(name), tmp_path)
    assert said.startswith(f"NameTakenError: file {file} can't be imported: {name!r} is the name of ")
    assert said.endswith("Rename it")


def test_a_package_with_the_name_of_another_is_refused(tmp_path: Path, write: Write) -> None:
    """As a file is."""
    write("json/__init__.py")
    write("json/tasks.py")
    for target in ("json", "./json", "json/tasks.py", "json.tasks", "."):
        assert find(target, tmp_path).startswith(
            f"NameTakenError: folder {tmp_path}/json can't be imported"
        ), target


def test_a_python_module_by_its_name_is_no_mistake(tmp_path: Path) -> None:
    """Without a file of that name here, it is what it is: a module without tasks."""
    assert find("json", tmp_path).startswith(
        "NoTasksFoundError: 'json' defines no task (imported: json, json."
    )


def test_a_file_that_hides_an_installed_module_says_so_when_it_fails(tmp_path: Path, write: Write) -> None:
    """`redis.py` that uses the Redis backend imports itself: the sentence names both files."""
    text = "from alsek.storage.backends.redis import RedisBackend\nfrom alsek import Broker, task\n"
    file = write("redis.py", f"{text}broker = Broker(RedisBackend())\n{a_task('a', '')}")
    said = find("./redis.py", tmp_path)
    assert said.startswith("ModuleImportError: 'redis' can't be imported: ")
    assert f"{file} hides " in said
    assert "redis/__init__.py, which has the same name" in said


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("tasks.txt", "is no Python file"),
        ("my.tasks.py", "there is a dot in its name"),
    ],
)
def test_a_file_that_is_no_module_is_refused(tmp_path: Path, write: Write, file: str, sentence: str) -> None:
    """With what is wrong with it."""
    write(file)
    said = find(f"./{file}", tmp_path)
    assert said.startswith("NothingToImportError: ")
    assert sentence in said


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere, and a name of nothing."""
    for target in ("./nothing.py", "nothing/", "nothing.py"):
        assert find(target, tmp_path).startswith("NothingToImportError: nothing"), target
    for target in ("nothing", "no.thing", "json.nothing", "sys.nothing"):
        assert find(target, tmp_path).startswith(
            f"NothingToImportError: there is no module or package {target!r}"
        )


def test_a_link_is_imported_by_its_own_name(tmp_path: Path, write: Write) -> None:
    """A linked file or package has the name that others import it by, not that of what it leads to."""
    real = write("releases/v12/tasks_v12.py", a_task("a"))
    (tmp_path / "tasks.py").symlink_to(real)
    assert find("tasks.py", tmp_path) == find("tasks", tmp_path) == "tasks:a"
    write("releases/v12/app/__init__.py")
    write("releases/v12/app/jobs.py")
    (tmp_path / "my_app").symlink_to(tmp_path / "releases/v12/app")
    assert find("my_app/", tmp_path) == find("my_app", tmp_path) == "my_app.jobs:jobs"


def test_links_in_a_package_bring_a_task_once(tmp_path: Path, write: Write) -> None:
    """A link to a file or folder that was imported already is passed over, and one that leads in a circle too."""
    write("pkg/__init__.py")
    write("pkg/a.py")
    write("pkg/sub/__init__.py")
    write("pkg/sub/b.py")
    write("pkg/plain/c.py")
    (tmp_path / "pkg/later.py").symlink_to("a.py")
    (tmp_path / "pkg/sub2").symlink_to("sub")
    (tmp_path / "pkg/plain/loop").symlink_to("../plain")
    (tmp_path / "pkg/sub/up").symlink_to("..")
    for target in ("pkg", "./pkg", "."):
        assert find(target, tmp_path) == "pkg.a:a pkg.plain.c:c pkg.sub.b:b", target


def test_a_file_imported_under_two_names_is_refused(tmp_path: Path, write: Write) -> None:
    """Its tasks would exist twice; the sentence says which file, and under which names."""
    shared = write("pkg/shared.py")
    write("pkg/__init__.py")
    write("pkg/b.py", "import sys\nsys.path.insert(0, 'pkg')\nfrom shared import shared\n" + a_task("b"))
    assert find("pkg", tmp_path) == (
        f"NameTakenError: {shared} was imported twice, as 'shared' and as 'pkg.shared', so task 'shared' exists twice:"
        " import it by the same name everywhere, or name the package on the command line"
    )


def test_a_value_that_pretends_to_be_something_else_is_not_asked(tmp_path: Path, write: Write) -> None:
    """A stand-in that raises when it is looked at, as lazy settings do, is no obstacle."""
    trap = "class Lazy:\n    @property\n    def __class__(self): raise RuntimeError('not set up')\nlazy = Lazy()\n"
    write("tasks.py", trap + a_task("a"))
    assert find("tasks", tmp_path) == "tasks:a"
