"""Runs the blocks of one chapter in one namespace, as somebody does who types them in, and reports on each.

``python -m tests.integration.run_blocks PLAN``: the plan is a JSON file with ``page``, ``borrowed`` (definitions of
other chapters), ``blocks`` (line, code, names that stand for others, what to do before) and ``report``. Into
the report goes one JSON line for each block that has run to its end.
"""

from __future__ import annotations
import __future__

import ast
import json
import logging
import sys
from pathlib import Path
from types import CodeType
from typing import Any

from tests.integration.environment import set_stage
from tests.integration.markdown_blocks import stated_outputs


def main() -> None:
    """Run the plan; the exception of a block that fails is this process's own."""
    logging.basicConfig(level="INFO", stream=sys.stdout)
    plan = json.loads(Path(sys.argv[1]).read_text())
    set_stage()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(plan["borrowed"], namespace)
    report = Path(plan["report"])
    for block in plan["blocks"]:
        for name, stands_for in block["names"].items():
            namespace[name] = eval(stands_for, namespace)
        exec(block["before"], namespace)
        print(f"── block at line {block['line']}", flush=True)
        interrupted = False
        try:
            shown = run(block["code"], f"{plan['page']}", block["line"], namespace)
        except KeyboardInterrupt:  # how one ends a block that has no end
            if not block["endless"]:
                raise
            shown, interrupted = [], True
        with report.open("a") as out:
            out.write(json.dumps({"line": block["line"], "shown": shown, "interrupted": interrupted}) + "\n")


def run(code: str, page: str, line: int, namespace: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Run a block, statement by statement; for each output that it states: the expression, what is stated, what it is.

    As in an interactive session, the value of an expression that stands alone is kept as ``_``.
    """
    stated = stated_outputs(code)
    flags = __future__.annotations.compiler_flag if "from __future__ import annotations" in code else 0
    shown = []
    for node in ast.parse(code).body:
        end = node.end_lineno or node.lineno
        if isinstance(node, ast.Expr):
            value = eval(_compiled(ast.Expression(node.value), page, line, flags), namespace)
            if value is not None:
                namespace["_"] = value
            if end in stated:
                shown.append(
                    (ast.unparse(node), stated[end], value if isinstance(value, str) else repr(value))
                )
        else:
            exec(_compiled(ast.Module([node], []), page, line, flags), namespace)
    return shown


def _compiled(tree: ast.Module | ast.Expression, page: str, line: int, flags: int) -> CodeType:
    ast.increment_lineno(tree, line - 1)
    mode = "eval" if isinstance(tree, ast.Expression) else "exec"
    code: CodeType = compile(tree, page, mode, flags=flags, dont_inherit=True)
    return code


if __name__ == "__main__":
    main()
