"""``python -m alsek.cli`` does the same as ``alsek``."""

from alsek.cli.main import main

main(prog_name="alsek")
