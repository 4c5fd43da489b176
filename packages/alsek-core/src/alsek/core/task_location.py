"""By which name another process finds a task."""

from __future__ import annotations

import functools
import sys
from typing import Any

from alsek.exceptions import SerializationError


def name_in_module(task: Any, function: Any, name: str) -> str:
    """The name under which the function's module has this very task.

    Args:
        task: What is looked for.
        function: Its function, which says in which module it was defined, and under which name.
        name: The task's name, for errors.

    Raises:
        SerializationError: It is not there.
    """
    module_name = str(getattr(function, "__module__", "?"))
    module = sys.modules.get(module_name)
    qualified = str(getattr(function, "__qualname__", "?"))
    if _at(module, qualified) is task:
        return qualified
    for variable, value in list(vars(module).items()) if module is not None else ():
        if value is task:
            return variable
    raise SerializationError(
        f"task {name!r} can't be pickled: another process would look for it as {module_name}.{qualified}, and that "
        "is not this task. Define it at the top level of the module that defines its function"
    )


def _at(module: Any, qualified: str) -> Any:
    return functools.reduce(lambda found, part: getattr(found, part, None), qualified.split("."), module)
