"""The version of alsek-core, and of what is released with it."""

from __future__ import annotations

from typing import Final

__version__: Final = "0.1.0"
