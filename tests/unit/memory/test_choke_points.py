"""Messages change their state in one module, and end in one function: a rule about ends has one place to be."""

from __future__ import annotations

import ast
from pathlib import Path

from alsek.storage.backends.memory.messages import transitions

MODULES = [*Path(transitions.__file__).parent.glob("*.py")]


def _assigned(tree: ast.AST, attribute: str) -> bool:
    """Whether something assigns to an attribute of this name, or deletes it."""
    return any(
        isinstance(node, ast.Attribute) and node.attr == attribute and not isinstance(node.ctx, ast.Load)
        for node in ast.walk(tree)
    )


def _called_on(tree: ast.AST, *path: str) -> bool:
    """Whether something calls a method or an item of these names, as in ``x.messages.pop`` or ``x.queues[y]``."""
    return any(path == tuple(_names(node)[-len(path) :]) for node in ast.walk(tree))


def _names(node: ast.AST) -> list[str]:
    return ast.unparse(node.func).split(".") if isinstance(node, ast.Call) else []


def _deleted_from(tree: ast.AST, attribute: str) -> bool:
    """Whether something writes or deletes an item of an attribute of this name."""
    return any(
        isinstance(node, ast.Subscript)
        and not isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == attribute
        for node in ast.walk(tree)
    )


def test_only_transitions_changes_states() -> None:
    """The state of a message, its claim's end, and its place in a queue are written by transitions.py alone.

    A queue's own bookkeeping and the table's clearing aside.
    """
    trees = {module.name: ast.parse(module.read_text()) for module in MODULES}
    assert {name for name, tree in trees.items() if _assigned(tree, "state")} == {"transitions.py"}
    assert {name for name, tree in trees.items() if _deleted_from(tree, "queues")} == {"transitions.py"}
    assert {name for name, tree in trees.items() if _deleted_from(tree, "messages")} == {
        "queue.py",
        "transitions.py",
    }
    placed = {name for name, tree in trees.items() if _called_on(tree, "queue", "remove")}
    assert placed == {"transitions.py"}


def test_messages_end_in_one_function() -> None:
    """Deleting from the table of messages is done by ``end`` alone, and so is remembering a uuid.

    A message that takes the place of another is never stored under its own uuid: ``replace`` remembers that.
    """
    tree = ast.parse(Path(transitions.__file__).read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    ends = [node.name for node in functions if "del table.messages" in ast.unparse(node)]
    remembers = [node.name for node in functions if "table.remembered.put" in ast.unparse(node)]
    assert (ends, remembers) == (["end"], ["end", "replace"])
    elsewhere = {module.name for module in MODULES if "remembered.put" in module.read_text()}
    assert elsewhere == {"transitions.py"}


def test_lanes_are_woken_by_wake_alone() -> None:
    """Lanes are noted by :meth:`MessageTable.wake`, and woken at the end of an operation of the port."""
    found = {module.name for module in MODULES if "woken_lanes" in module.read_text()}
    assert found == {"message_table.py", "port.py"}
