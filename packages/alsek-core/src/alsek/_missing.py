"""Naming the package to install when a module of another package of Alsek is imported.

Several packages share the import namespace `alsek`. Without this, a user of alsek-core alone who imports
``alsek.storage.backends.redis`` would only be told that there is no such module.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Final

#: The topmost modules of the other packages, and the package's name.
HOMES: Final[Mapping[str, str]] = {
    "alsek.cli": "alsek-cli",
    "alsek.core.worker": "alsek-workers",
    "alsek.dashboard": "alsek-dashboard",
    "alsek.django": "alsek-django",
    "alsek.storage.backends.redis": "alsek-redis",
    "alsek.storage.backends.sqlite": "alsek-sqlite",
    "alsek.testing": "alsek-tools",
    "alsek.tools": "alsek-tools",
}


class MissingPackageFinder:
    """The last finder, called only for modules that no other finder has found.

    :func:`importlib.util.find_spec` of such a module raises too, instead of returning None, because a finder can't
    distinguish the two.
    """

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: object = None) -> None:
        """Find nothing.

        Raises:
            ModuleNotFoundError: The module lives in a package that is not installed.
        """
        package = HOMES.get(fullname)
        if package is not None:
            # `name` is the package's on purpose: with the module's, `from alsek.storage.backends import redis` would
            # catch this error and raise an ImportError without the remedy.
            raise ModuleNotFoundError(f"{fullname!r} lives in {package}: pip install {package}", name=package)


def install() -> None:
    """Add :class:`MissingPackageFinder` after all other finders, once."""
    if MissingPackageFinder not in sys.meta_path:
        sys.meta_path.append(MissingPackageFinder)
