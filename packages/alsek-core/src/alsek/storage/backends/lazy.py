"""A client that is made at the first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

C = TypeVar("C")


class LazyClient(Generic[C]):
    """A client that a backend makes at its first operation.

    Args:
        client_func: Makes the client. A backend calls it once.
    """

    def __init__(self, client_func: Callable[[], C]) -> None:
        self.client_func = client_func

    def get(self) -> C:
        """Make the client."""
        return self.client_func()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.client_func!r})"
