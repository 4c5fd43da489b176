"""Finding the name under which another process can import a task."""

from __future__ import annotations

import functools
import sys
from typing import Any

from alsek.exceptions import SerializationError


def name_in_module(task: Any, function: Any, name: str) -> str:
    """Return the name under which the module of the function has this task.

    Args:
        task: The task to look for.
        function: Its function, which knows its module and its name there.
        name: The name of the task, for errors.

    Raises:
        SerializationError: The module does not have the task.
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
