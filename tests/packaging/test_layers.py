"""Which package may import which: the arrows point down, never up or sideways."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.packaging.imports import Import, imports_of
from tests.packaging.monorepo import CODE, PACKAGES, ROOT, Package, home_of

#: What each package stands on, within the family.
ARROWS = {
    "alsek-core": set(),
    "alsek-redis": {"alsek-core"},
    "alsek-sqlite": {"alsek-core"},
    "alsek-workers": {"alsek-core"},
    "alsek-tools": {"alsek-core"},
    "alsek-dashboard": {"alsek-core"},
    "alsek-cli": {"alsek-core", "alsek-workers"},
    "alsek-django": {"alsek-core", "alsek-cli"},
    "alsek": {"alsek-core", "alsek-redis", "alsek-sqlite", "alsek-workers", "alsek-tools", "alsek-cli"},
}

#: Packages of Python whose rooms (folders, and files beside them) point one way.
HOUSES = (
    "alsek.cli",
    "alsek.core",
    "alsek.core.worker",
    "alsek.dashboard",
    "alsek.django",
    "alsek.storage",
    "alsek.storage.backends",
    "alsek.storage.backends.memory",
    "alsek.storage.backends.redis",
    "alsek.storage.backends.sqlite",
    "alsek.testing",
    "alsek.tools",
)

#: Files whose import does something: runs a program, or looks for the tasks of a Django project.
PROGRAMS = ("__main__.py", "discovered.py")

each_package = pytest.mark.parametrize("package", CODE.values(), ids=CODE)


def _imports(package: Package) -> Iterator[tuple[str, Import]]:
    for file in package.sources:
        for one in imports_of(file):
            yield f"{file.relative_to(ROOT)}:{one.line}", one


def _module_names() -> set[str]:
    return {package.module(file) for package in CODE.values() for file in package.sources}


def _targets(one: Import, modules: set[str]) -> Iterator[str]:
    """The modules of the family that an import imports. Of a package from which only modules are taken, those alone:
    Python enters every package above a module, and asks nothing of what is in it.
    """
    taken = [f"{one.module}.{name}" for name in one.names]
    parts = [name for name in taken if name in modules]
    if one.module in modules and (not taken or len(parts) < len(taken)):
        yield one.module
    yield from parts


def test_declared_dependencies_are_the_arrows() -> None:
    """Each package requires exactly those below it; what an extra of the core adds stands above it."""
    for name, package in PACKAGES.items():
        assert package.required_names & set(PACKAGES) == ARROWS[name], name


@each_package
def test_nothing_points_up_or_sideways(package: Package) -> None:
    """No package imports one that it does not declare, not even within a function, or for type checkers.

    But `alsek` itself tells type checkers of the names that it has of other packages, if these are installed.
    """
    wrong = []
    for where, one in _imports(package):
        if one.for_types and where.startswith("packages/alsek-core/src/alsek/__init__.py:"):
            continue
        if one.module.partition(".")[0] == "alsek":
            homes = {home_of(one.module), *(home_of(f"{one.module}.{name}") for name in one.names)}
            if not homes <= {package.name, *ARROWS[package.name]}:
                wrong.append(f"{where} imports {one.module}")
    assert wrong == []


@each_package
def test_third_parties_are_declared(package: Package) -> None:
    """What is imported of others is required, or belongs to an extra and is imported late."""
    wrong = []
    for where, one in _imports(package):
        top = one.module.partition(".")[0]
        if top in sys.stdlib_module_names or top == "alsek":
            continue
        if top == "pytest" and "/pytest_" in where:
            continue  # a plugin is loaded by pytest alone
        if top == "typing_extensions" and one.for_types:
            continue  # type checkers bring its stubs along: it need not be installed
        distribution = canonicalize_name(top)
        late = not one.at_import
        if distribution not in package.required_names and not (
            late and distribution in package.optional_names
        ):
            wrong.append(f"{where} imports {one.module}")
    assert wrong == []


@each_package
def test_nobody_enters_by_the_front_door(package: Package) -> None:
    """Within the family, a name is imported from the module that defines it, never by way of `alsek`."""
    defined_there = {"__version__", "_missing"}
    wrong = [
        where
        for where, one in _imports(package)
        if one.module == "alsek" and not (one.names and set(one.names) <= defined_there)
    ]
    assert wrong == []


def test_imports_have_no_cycle() -> None:
    """No module needs, while it is imported, one that needs it."""
    _assert_no_circle(_arrows())


@pytest.mark.parametrize("house", HOUSES)
def test_rooms_point_one_way(house: str) -> None:
    """Of two rooms of a package only one imports the other, directly or by way of others."""

    def room(module: str) -> str | None:
        return module[len(house) + 1 :].partition(".")[0] if module.startswith(f"{house}.") else None

    rooms: dict[str, set[str]] = {}
    for module, needed in _arrows().items():
        mine = room(module)
        if mine is not None:
            others = {room(other) for other in needed}
            rooms.setdefault(mine, set()).update({other for other in others if other is not None} - {mine})
    assert rooms
    _assert_no_circle(rooms)


@cache
def _arrows() -> dict[str, set[str]]:
    """For each module, those that it needs while it is imported."""
    modules = _module_names()
    graph: dict[str, set[str]] = {}
    for package in CODE.values():
        for file in package.sources:
            module = package.module(file)
            needed = {
                target for one in imports_of(file) if one.at_import for target in _targets(one, modules)
            }
            graph[module] = needed - {module}
    return graph


def _assert_no_circle(graph: Mapping[str, set[str]]) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"imported in a circle: {' <- '.join(error.args[1])}")


@pytest.mark.slow
@pytest.mark.deep
@each_package
def test_every_module_can_be_the_first(package: Package) -> None:
    """Each module imports by itself in a fresh interpreter, with no warning: no order of imports matters."""
    program = (
        "import contextlib, importlib, os, sys, traceback\n"
        "third_parties, *names = sys.argv[1:]\n"
        "for name in third_parties.split():\n"
        "    with contextlib.suppress(ImportError):\n"
        "        importlib.import_module(name)\n"
        "for name in names:\n"
        "    child = os.fork()\n"
        "    if not child:\n"
        "        try:\n"
        "            importlib.import_module(name)\n"
        "        except BaseException:\n"
        "            print(name, file=sys.stderr)\n"
        "            traceback.print_exc()\n"
        "        sys.stderr.flush()\n"
        "        os._exit(0)\n"
        "    os.waitpid(child, 0)\n"
    )
    names = [package.module(file) for file in package.sources if file.name not in PROGRAMS]
    # Imported once for all of them: it takes most of the time, and is not what is tested.
    third_parties = {
        one.module.partition(".")[0]
        for _, one in _imports(package)
        if one.at_import and one.module.partition(".")[0] not in {"alsek", *sys.stdlib_module_names}
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, " ".join(sorted(third_parties)), *names],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_the_core_needs_no_third_party(tmp_path: Path) -> None:
    """Every module of alsek-core imports where there is nothing but the standard library."""
    core = CODE["alsek-core"]
    names = [core.module(file) for file in core.sources]
    program = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    # -S: no site-packages, so whatever else is installed here can't be found.
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", program, *names],
        env={"PYTHONPATH": str(core.folder / "src")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
