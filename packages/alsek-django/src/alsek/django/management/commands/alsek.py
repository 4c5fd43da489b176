"""``manage.py alsek``: the command ``alsek``, for the tasks of the project."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from alsek.cli.failures import EXIT_USAGE
from alsek.cli.main import main
from alsek.cli.reloading.watched import FOLDERS
from alsek.django.discovery import backend_named, folders_of_the_project
from alsek.django.errors import SettingsError

#: The module with the tasks of the project.
PACKAGE: Final = "alsek.django.discovered"


class Command(BaseCommand):
    """Passes its arguments on to ``alsek``, with Django set up and the tasks of the installed applications."""

    help = "The command alsek, for the tasks of the installed applications: run workers, see into the store, steer it."

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command line. Its options are those of ``alsek``, not Django's."""
        try:
            self._run(_without_djangos(argv[2:]), f"{Path(argv[0]).name} {argv[1]}")
        except (CommandError, SettingsError) as error:
            self.stderr.write(f"alsek: {error}")
            sys.exit(EXIT_USAGE)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the command from a program: ``call_command("alsek", "status")``."""
        self._run([str(each) for each in args], "manage.py alsek")

    def add_arguments(self, parser: Any) -> None:
        """Take any arguments."""
        parser.add_argument("args", nargs=REMAINDER)

    def _run(self, arguments: list[str], name: str) -> None:
        if arguments[:1] == ["--backend"]:
            if len(arguments) < 2:
                raise CommandError("--backend needs the alias of a backend in TASKS")
            backend_named(arguments[1])
            os.environ["ALSEK_DJANGO_BACKEND"] = arguments[1]
            arguments = arguments[2:]
        if "--reload" in arguments:
            FOLDERS[PACKAGE] = folders_of_the_project()
            # The pool is a process of its own, which looks for the project where this one has found it.
            os.environ["PYTHONPATH"] = os.pathsep.join(
                filter(None, [sys.path[0], os.environ.get("PYTHONPATH")])
            )
        if "ALSEK_STORE" not in os.environ and "ALSEK_PACKAGE" not in os.environ:
            os.environ["ALSEK_PACKAGE"] = PACKAGE
        sys.argv = ["alsek", *arguments]
        main(args=arguments, prog_name=name)


def _without_djangos(arguments: list[str]) -> list[str]:
    """Leave out the options that Django itself has read before: ``--settings`` and ``--pythonpath``."""
    left = []
    rest = iter(arguments)
    for each in rest:
        if each in ("--settings", "--pythonpath"):
            next(rest, None)
        elif not each.startswith(("--settings=", "--pythonpath=")):
            left.append(each)
    return left
