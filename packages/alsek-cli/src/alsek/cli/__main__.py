"""``python -m alsek.cli``: the same as ``alsek``."""

from alsek.cli.main import main

main(prog_name="alsek")
