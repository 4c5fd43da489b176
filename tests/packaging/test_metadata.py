"""What each package says of itself."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import alsek
from alsek import _missing
from tests.packaging.monorepo import CODE, HOMES, PACKAGES, ROOT, Package, homes_of

each_package = pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)


def test_there_are_nine_packages() -> None:
    """The monorepo is nine packages, eight of which have code."""
    assert set(PACKAGES) == {"alsek", "alsek-core", *HOMES}
    assert set(CODE) == {"alsek-core", *HOMES}


def test_all_have_the_same_version() -> None:
    """The packages are released together, and `alsek.__version__` is their version."""
    assert {package.settings["project"]["version"] for package in PACKAGES.values()} == {alsek.__version__}


def test_the_finder_knows_every_home() -> None:
    """What alsek-core says of missing modules is where they really live."""
    assert set(_missing.HOMES.items()) == {(home, name) for name in HOMES for home in homes_of(name)}


@each_package
def test_it_is_described_in_full(package: Package) -> None:
    """Each package has what a person who meets it on PyPI needs, and no path that leaves its folder."""
    project = package.settings["project"]
    assert project["requires-python"] == ">=3.11"
    assert project["license"] == "MIT"
    assert "Typing :: Typed" in project["classifiers"]
    for minor in (11, 12, 13):
        assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
    assert {"Homepage", "Changelog", "Issues"} <= set(project["urls"])
    assert project["readme"] == "README.md"
    assert (package.folder / "README.md").read_text().count("```shell\npip install") >= 1
    assert (package.folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert not [path for path in package.folder.rglob("*") if path.is_symlink()]


@each_package
def test_members_of_the_family_are_pinned_to_this_release(package: Package) -> None:
    """A package asks for others of the family of its own minor version: they share a promise."""
    pin = SpecifierSet(f"~={alsek.__version__}")
    for requirement in [
        *package.requirements,
        *(each for extra in package.extras.values() for each in extra),
    ]:
        if requirement.name in PACKAGES:
            assert requirement.specifier == pin, str(requirement)


def test_the_meta_package_brings_everything() -> None:
    """`pip install alsek` installs all packages but two, which need much more, triggers and the quick Redis parser."""
    meta = PACKAGES["alsek"]
    assert meta.required_names == set(PACKAGES) - {"alsek", "alsek-dashboard", "alsek-django"}
    asked = {requirement.name: requirement.extras for requirement in meta.requirements}
    assert asked["alsek-core"] == {"triggers"}
    assert asked["alsek-redis"] == {"hiredis"}


def test_every_package_is_in_the_isolation_matrix() -> None:
    """tox installs each package alone, and `installed_alone.py` knows what each requirement brings."""
    tox = (ROOT / "tox.ini").read_text()
    wanted = set(re.findall(r"REQUIREMENT = (\S+)", tox))
    tested = {re.sub(r"alsek-core\[(.+)\]", r"alsek-\1", requirement) for requirement in wanted}
    assert tested == set(PACKAGES)


def test_mypy_and_pyright_see_every_package() -> None:
    """No package is forgotten by the type checkers: each of the search paths names all."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    sources = {f"packages/{name}/src" for name in CODE}
    assert {path.removeprefix("$MYPY_CONFIG_FILE_DIR/") for path in tool["mypy"]["mypy_path"]} == sources
    assert set(tool["pyright"]["extraPaths"]) == sources
    assert "packages" in tool["pyright"]["include"]


def test_the_oldest_redis_py_is_the_one_that_is_tested() -> None:
    """CI runs the tests of Redis on the very version of redis-py from which alsek-redis says that it works."""
    (declared,) = (each for each in PACKAGES["alsek-redis"].requirements if each.name == "redis")
    environment = tomllib.loads((ROOT / "hatch.toml").read_text())["envs"]["redis-floor"]
    (tested,) = (each for each in map(Requirement, environment["dependencies"]) if each.name == "redis")
    (floor,) = declared.specifier
    assert tested.specifier == SpecifierSet(f"=={floor.version}")
    assert floor.operator == ">="
    assert "redis-floor:check" in (ROOT / ".ci" / "run").read_text()
