"""The monorepo as data: its packages, and what each declares."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]


class Package(NamedTuple):
    """One package of the monorepo.

    Attributes:
        name: As on PyPI.
        folder: Where its `pyproject.toml` is.
        settings: Its `pyproject.toml`.
    """

    name: str
    folder: Path
    settings: Mapping[str, Any]

    @property
    def sources(self) -> list[Path]:
        """Every Python file of it, in order."""
        return sorted((self.folder / "src").rglob("*.py"))

    @property
    def requirements(self) -> list[Requirement]:
        """What it requires without any extra."""
        return [Requirement(text) for text in self.settings["project"]["dependencies"]]

    @property
    def extras(self) -> dict[str, list[Requirement]]:
        """What it requires more for each extra."""
        table = self.settings["project"].get("optional-dependencies", {})
        return {extra: [Requirement(text) for text in texts] for extra, texts in table.items()}

    @property
    def required_names(self) -> set[str]:
        """The names of what it requires without any extra."""
        return {canonicalize_name(requirement.name) for requirement in self.requirements}

    @property
    def optional_names(self) -> set[str]:
        """The names of what it requires for its extras."""
        return {
            canonicalize_name(each.name) for requirements in self.extras.values() for each in requirements
        }

    def module(self, file: Path) -> str:
        """The dotted name of one of its files."""
        parts = file.relative_to(self.folder / "src").with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _packages() -> dict[str, Package]:
    found = {}
    for file in sorted(ROOT.glob("packages/*/pyproject.toml")):
        settings = tomllib.loads(file.read_text())
        found[settings["project"]["name"]] = Package(settings["project"]["name"], file.parent, settings)
    return found


#: All packages, by name.
PACKAGES: Final = _packages()

#: Those that have code: all but the meta-package.
CODE: Final = {name: package for name, package in PACKAGES.items() if (package.folder / "src").is_dir()}

#: The topmost module of each package. Exactly what is below belongs to it; the rest is alsek-core's.
HOMES: Final = {
    "alsek-cli": "alsek.cli",
    "alsek-dashboard": "alsek.dashboard",
    "alsek-django": "alsek.django",
    "alsek-redis": "alsek.storage.backends.redis",
    "alsek-sqlite": "alsek.storage.backends.sqlite",
    "alsek-tools": "alsek.tools",
    "alsek-workers": "alsek.core.worker",
}

#: A second one, of packages that have two.
SECOND_HOMES: Final = {"alsek-tools": "alsek.testing"}

#: What is beside the namespace `alsek`: a plugin that must not import it.
PLUGINS: Final = {"alsek-tools": "pytest_alsek.py"}


def homes_of(package: str) -> tuple[str, ...]:
    """The topmost modules of a package."""
    return (HOMES[package], *([SECOND_HOMES[package]] if package in SECOND_HOMES else []))


def home_of(module: str) -> str:
    """The package to which a module of the namespace `alsek` belongs."""
    for package, home in (*HOMES.items(), *SECOND_HOMES.items()):
        if module == home or module.startswith(f"{home}."):
            return package
    return "alsek-core"
