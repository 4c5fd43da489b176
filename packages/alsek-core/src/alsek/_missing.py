"""Says which package to install when a module of another package of the family is imported.

The import namespace `alsek` is shared by several packages. Without this, a user of alsek-core alone who
imports ``alsek.storage.backends.redis`` would read only that there is no such module.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

#: The topmost module of each other package, and the package's name.
HOMES: Final[Mapping[str, str]] = {
    "alsek.cli": "alsek-cli",
    "alsek.core.worker": "alsek-workers",
    "alsek.storage.backends.redis": "alsek-redis",
    "alsek.storage.backends.sqlite": "alsek-sqlite",
    "alsek.tools": "alsek-tools",
}


class MissingPackageFinder:
    """Asked last, so only for modules that no other finder found.

    :func:`importlib.util.find_spec` of such a module raises too, instead of returning None: by design, since
    a finder can't tell the two apart.
    """

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Find nothing.

        Raises:
            ModuleNotFoundError: The module lives in a package that is not installed.
        """
        package = HOMES.get(fullname)
        if package is not None:
            # `name` is not the module's on purpose: of that one, `from alsek.storage.backends import redis`
            # would swallow the error and raise an ImportError that says nothing.
            raise ModuleNotFoundError(f"{fullname!r} lives in {package}: pip install {package}", name=package)


def install() -> None:
    """Ask :class:`MissingPackageFinder` whenever all other finders have failed. Once is enough."""
    if MissingPackageFinder not in sys.meta_path:
        sys.meta_path.append(MissingPackageFinder)
