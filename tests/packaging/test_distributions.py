"""What is in the wheels and sdists."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.packaging.monorepo import CODE, HOMES, PACKAGES, PLUGINS, ROOT, homes_of

#: In one process of pytest-xdist, so that all is built once.
pytestmark = [pytest.mark.xdist_group("distributions"), pytest.mark.slow]

#: The four folders that several packages share; only alsek-core makes packages of them.
SHARED = ("alsek", "alsek/core", "alsek/storage", "alsek/storage/backends")


class Built(NamedTuple):
    """The files of a package's distributions, by their path."""

    wheel: Mapping[str, bytes]
    sdist: frozenset[str]
    wheel_of_sdist: Mapping[str, bytes]


def _build(source: Path, to: Path, *targets: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(to)]
    for target in targets:
        command += ["-t", target]
    subprocess.run(command, cwd=source, check=True, capture_output=True)


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _distributions(source: Path, to: Path) -> Built:
    _build(source, to / "direct", "sdist", "wheel")
    (wheel,) = (to / "direct").glob("*.whl")
    (sdist,) = (to / "direct").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        top = archive.getnames()[0].partition("/")[0]
        files = frozenset(name.partition("/")[2] for name in archive.getnames())
        archive.extractall(to / "unpacked", filter="data")
    _build(to / "unpacked" / top, to / "again", "wheel")
    (again,) = (to / "again").glob("*.whl")
    return Built(_contents(wheel), files, _contents(again))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Built]:
    """The distributions of all packages, made from one snapshot of the sources."""
    snapshot = tmp_path_factory.mktemp("snapshot")
    shutil.copy(ROOT / ".gitignore", snapshot)
    shutil.copytree(ROOT / "packages", snapshot / "packages", ignore=shutil.ignore_patterns("__pycache__"))
    work = tmp_path_factory.mktemp("built")
    with ThreadPoolExecutor(2) as threads:
        made = threads.map(lambda name: _distributions(snapshot / "packages" / name, work / name), PACKAGES)
        return dict(zip(PACKAGES, made, strict=True))


def _code(built: Built) -> set[str]:
    return {name for name in built.wheel if ".dist-info/" not in name}


def test_no_file_is_in_two_wheels(built: Mapping[str, Built]) -> None:
    """Installing or removing one package never touches a file of another."""
    for one, other in itertools.combinations(built, 2):
        assert not set(built[one].wheel) & set(built[other].wheel), f"{one} and {other}"


def test_each_wheel_holds_its_own_home_only(built: Mapping[str, Built]) -> None:
    """A package's files lie below its topmost modules, but for plugins; the meta-package has none."""
    for name in HOMES:
        homes = tuple(home.replace(".", "/") + "/" for home in homes_of(name))
        assert [file for file in _code(built[name]) if not file.startswith(homes)] == (
            [PLUGINS[name]] if name in PLUGINS else []
        )
    assert _code(built["alsek"]) == set()


def test_only_the_core_makes_the_shared_folders_packages(built: Mapping[str, Built]) -> None:
    """Above the homes, alsek-core alone has `__init__.py`, and each lets the others in."""
    for folder in SHARED:
        owners = [name for name in built if f"{folder}/__init__.py" in built[name].wheel]
        assert owners == ["alsek-core"]
        assert (
            b"__path__ = extend_path(__path__, __name__)"
            in built["alsek-core"].wheel[f"{folder}/__init__.py"]
        )


def test_nothing_is_left_out(built: Mapping[str, Built]) -> None:
    """Every file under `src` is in the wheel (scripts and schemas too), but for the stubs below."""
    for name, package in CODE.items():
        source = package.folder / "src"
        there = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
        there = {file for file in there if "__pycache__/" not in file and "/." not in file}
        assert _code(built[name]) == there - {"alsek/__init__.pyi"}


def test_the_stubs_of_the_namespace_stay_here(built: Mapping[str, Built]) -> None:
    """The comment-only `.pyi` of editable installs are in no distribution: they would hide the core."""
    for name in HOMES:
        stub = CODE[name].folder / "src" / "alsek" / "__init__.pyi"
        assert all(line.startswith("#") for line in stub.read_text().splitlines())
    for distributions in built.values():
        assert not [file for file in (*distributions.wheel, *distributions.sdist) if file.endswith(".pyi")]


def test_each_is_typed_and_licensed(built: Mapping[str, Built]) -> None:
    """Each wheel with code has `py.typed` in its topmost folder, and each wheel its licence."""
    for name in PACKAGES:
        if name in CODE:
            for home in homes_of(name) if name in HOMES else ("alsek",):
                assert home.replace(".", "/") + "/py.typed" in built[name].wheel
        assert any(file.endswith(".dist-info/licenses/LICENSE") for file in built[name].wheel)
        assert {"LICENSE", "README.md", "pyproject.toml"} <= built[name].sdist


def test_each_wheel_says_what_pypi_shows(built: Mapping[str, Built]) -> None:
    """The metadata of a wheel has licence, Python and readme, and no file is there that only the repository needs."""
    for name, distributions in built.items():
        (file,) = (each for each in distributions.wheel if each.endswith(".dist-info/METADATA"))
        metadata = message_from_bytes(distributions.wheel[file])
        assert (metadata["Name"], metadata["License-Expression"]) == (name, "MIT")
        assert (metadata["License-File"], metadata["Requires-Python"]) == ("LICENSE", ">=3.11")
        assert metadata["Description-Content-Type"] == "text/markdown"
        assert str(metadata.get_payload()).startswith("# ")
        for path in (*distributions.wheel, *distributions.sdist):
            assert not re.search(r"\.(pyc|db|log|orig|rej)$|(^|/)(\.hatch|\.venv|tests|dist)/", path), (
                f"{name}: {path}"
            )


def test_sdists_build_the_same_wheels(built: Mapping[str, Built]) -> None:
    """A wheel made from the sdist, outside the repository, is the wheel made here, byte for byte."""
    for name, distributions in built.items():
        assert distributions.wheel == distributions.wheel_of_sdist, name
