"""A release sets every version, the changelog and the tag, or changes nothing. On a copy of the repository."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from releasing import build, changelog, packages
from releasing.__main__ import PAGES, SAYS_UNRELEASED, main, release
from releasing.errors import ReleaseRefused
from tests.packaging.monorepo import PACKAGES, ROOT


def git(root: Path, *arguments: str) -> str:
    """What a git command prints."""
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository at 0.1.0 with what a release changes and reads; it does not say that there is no release yet."""
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "A. Maintainer")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "maintainer@example.com")
    root = tmp_path / "copy"
    settings = [str(file.relative_to(ROOT)) for file in packages.settings_of(ROOT)]
    for name in (".gitignore", packages.VERSION_FILE, *PAGES, *settings):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text((ROOT / name).read_text().replace(SAYS_UNRELEASED, "is on PyPI"))
    for file, text in packages.with_version(root, Version("0.1.0")).items():
        file.write_text(text)
    (root / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- New.\n\n[Unreleased]: x\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "All")
    return root


def test_a_release_sets_all_versions(copy: Path) -> None:
    """Each package has the version, requires the others in it, and the code says it; a commit has the tag."""
    assert release(copy, "0.2.0") == "v0.2.0"
    for file, text in packages.settings_of(copy).items():
        project = tomllib.loads(text)["project"]
        assert project["version"] == "0.2.0"
        extras = project.get("optional-dependencies", {}).values()
        texts = [*project["dependencies"], *(each for extra in extras for each in extra)]
        pins = {str(each.specifier) for each in map(Requirement, texts) if each.name in PACKAGES}
        assert pins <= {"~=0.2.0"}, file
    assert '__version__: Final = "0.2.0"' in (copy / packages.VERSION_FILE).read_text()
    log = (copy / "CHANGELOG.md").read_text()
    today = datetime.now(UTC).date()
    assert f"## [Unreleased]\n\n## [0.2.0] - {today}\n" in log
    assert "[Unreleased]: https://github.com/alsek/alsek/compare/v0.2.0...HEAD\n[0.2.0]: " in log
    assert git(copy, "status", "--porcelain") == ""
    assert git(copy, "log", "-1", "--format=%s") == "Release 0.2.0"
    assert git(copy, "rev-parse", "v0.2.0^{commit}") == git(copy, "rev-parse", "HEAD")
    build.check_tag(copy, "v0.2.0")
    with pytest.raises(ReleaseRefused, match=r"v0\.1\.0, and the packages have version 0\.2\.0"):
        build.check_tag(copy, "v0.1.0")


def test_the_version_that_is_set_can_be_released_once(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The present version may be the first release; the same again is refused by its tag."""
    monkeypatch.chdir(copy)
    current = str(packages.current_version(copy))
    assert main([current]) == 0
    assert main([current]) == 1


def _dirty(root: Path) -> None:
    (root / "new.txt").touch()


def _tagged(root: Path) -> None:
    git(root, "tag", "v9.0.0")


def _nothing_new(root: Path) -> None:
    release(root, "8.0.0")


def _several_versions(root: Path) -> None:
    file = next(iter(packages.settings_of(root)))
    file.write_text(file.read_text().replace('version = "', 'version = "7.', 1))
    git(root, "commit", "-q", "-a", "-m", "Another")


def _says_unreleased(root: Path) -> None:
    (root / "README.md").write_text(f"This {SAYS_UNRELEASED}")
    git(root, "commit", "-q", "-a", "-m", "Page")


def _nothing(root: Path) -> None: ...


@pytest.mark.parametrize(
    ("before", "version", "said"),
    [
        pytest.param(_dirty, "9.0.0", "not committed", id="a dirty tree"),
        pytest.param(_tagged, "9.0.0", "tag v9.0.0 exists", id="a tag that exists"),
        pytest.param(_nothing_new, "9.0.0", "says nothing", id="nothing to release"),
        pytest.param(_several_versions, "9.0.0", "several versions", id="several versions"),
        pytest.param(_says_unreleased, "9.0.0", "take that out", id="a page that says that there is none"),
        pytest.param(_nothing, "0.0.9", "older", id="an older version"),
        pytest.param(_nothing, "0.2", "X.Y.Z", id="a short version"),
        pytest.param(_nothing, "v0.2.0", "X.Y.Z", id="a tag for a version"),
        pytest.param(_nothing, "0.2.0.dev1", "X.Y.Z", id="no version of a release"),
        pytest.param(_nothing, "next", "no version", id="a word"),
    ],
)
def test_what_is_refused(copy: Path, before: Callable[[Path], None], version: str, said: str) -> None:
    """What can't be released is refused with its reason, and changes no file, commit or tag."""
    before(copy)
    there = git(copy, "status", "--porcelain"), git(copy, "rev-parse", "HEAD"), git(copy, "tag")
    with pytest.raises(ReleaseRefused, match=said):
        release(copy, version)
    assert (git(copy, "status", "--porcelain"), git(copy, "rev-parse", "HEAD"), git(copy, "tag")) == there


def test_a_commit_that_git_refuses_leaves_nothing(copy: Path) -> None:
    """If a hook refuses the commit, the files are as they were."""
    hook = copy / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(ReleaseRefused, match="commit failed"):
        release(copy, "0.2.0")
    assert git(copy, "status", "--porcelain") == ""


def test_the_changelog_has_the_form_that_a_release_needs() -> None:
    """The real changelog can be given a heading, once something is unreleased."""
    text = (ROOT / "CHANGELOG.md").read_text().replace("## [Unreleased]\n", "## [Unreleased]\n\n- New.\n", 1)
    assert "\n## [999.0.0] - 2030-01-02\n" in changelog.with_release(
        text, Version("999.0.0"), date(2030, 1, 2)
    )


def test_the_heading_of_a_release() -> None:
    """What was unreleased stands below the version, above the one before it."""
    older = "## [0.1.0] - 2026-01-01\n\n- Old.\n\n"
    before = f"# Changelog\n\n## [Unreleased]\n\n- New.\n\n{older}[Unreleased]: x\n[0.1.0]: y\n"
    after = changelog.with_release(before, Version("0.2.0"), date(2026, 2, 3))
    assert after == (
        f"# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-02-03\n\n- New.\n\n{older}"
        "[Unreleased]: https://github.com/alsek/alsek/compare/v0.2.0...HEAD\n"
        "[0.2.0]: https://github.com/alsek/alsek/releases/tag/v0.2.0\n[0.1.0]: y\n"
    )


@pytest.mark.deep
def test_an_upgrade_of_one_package_alone(copy: Path, tmp_path: Path) -> None:
    """A patch of one package goes with the others; pip says of another minor version that it does not."""
    wheels = tmp_path / "wheels"
    for name in ("alsek-core", "alsek-sqlite"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(
            ROOT / "packages" / name, copy / "packages" / name, ignore=ignored, dirs_exist_ok=True
        )
    git(copy, "add", "-A")
    log = copy / "CHANGELOG.md"
    for version in ("0.1.7", "0.1.8", "0.2.0"):
        log.write_text(log.read_text().replace("## [Unreleased]\n", "## [Unreleased]\n\n- More.\n"))
        git(copy, "commit", "-q", "-a", "-m", "More")
        release(copy, version)
        for name in ("alsek-core", "alsek-sqlite"):
            command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
            subprocess.run(command, cwd=copy / "packages" / name, check=True, capture_output=True)
    environment = tmp_path / "environment"
    venv.create(environment)
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python")]

    def install(*requirements: str) -> None:
        options = ["--quiet", "--no-index", "--no-compile", "--find-links", str(wheels)]
        subprocess.run([*pip, "install", *options, *requirements], check=True, capture_output=True)

    def check() -> str:
        return subprocess.run([*pip, "check"], capture_output=True, text=True, check=False).stdout

    def works() -> None:
        code = (
            "from alsek import Broker, SQLiteBackend, task\n"
            "add = task(Broker(SQLiteBackend('alsek.db')))(lambda a: a)\n"
            "add.generate(args=(1,))"
        )
        python = environment / "bin" / "python"
        subprocess.run([str(python), "-I", "-c", code], cwd=tmp_path, check=True)

    install("alsek-sqlite==0.1.7", "alsek-core==0.1.7")
    install("--upgrade", "alsek-core==0.1.8")  # alone
    assert "No broken requirements" in check()
    works()
    install("--upgrade", "alsek-core==0.2.0")  # alone
    assert "alsek-sqlite 0.1.7 has requirement alsek-core~=0.1.7, but you have alsek-core 0.2.0" in check()
    install("--upgrade", "alsek-sqlite==0.2.0")
    assert "No broken requirements" in check()
    works()
    install("--upgrade", "alsek-sqlite==0.1.8")  # back, with what it needs
    assert "No broken requirements" in check()
    works()
