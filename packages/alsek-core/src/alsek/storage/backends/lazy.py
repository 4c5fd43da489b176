"""A client that is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

C = TypeVar("C")


class LazyClient(Generic[C]):
    """Stands for a client until the first operation needs it.

    Args:
        client_func: Makes the client. Called once, when a backend first needs it.
    """

    def __init__(self, client_func: Callable[[], C]) -> None:
        self.client_func = client_func

    def get(self) -> C:
        """Make the client."""
        return self.client_func()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.client_func!r})"
