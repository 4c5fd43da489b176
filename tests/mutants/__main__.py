"""Put mistakes into a copy of the code, one at a time, and run the nearest tests.

``hatch run mutants [--only engine] [--most 40] [--seed 7] [--picked]``. A mistake that no test notices is printed: it
wants a test that names the promise, or a sentence why it does no harm. Exit code 1 if there is one.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.mutants.mutations import mutations
from tests.mutants.targets import TARGETS

_ROOT = Path(__file__).parents[2]

#: Tests that take so much longer than without a mistake have noticed it: they hang.
_TIMES_LONGER = 5
_AT_LEAST_S = 60.0


class Mutant(NamedTuple):
    """One mistake in one file.

    Attributes:
        file: Below the root.
        text: In words.
        source: The file with the mistake.
        tests: Those that should notice it.
        redis: They need a Redis server.
    """

    file: str
    text: str
    source: str
    tests: tuple[str, ...]
    redis: bool = False


def main() -> int:
    """Run, and print what no test has noticed."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", choices=[target.name for target in TARGETS], help="only this target")
    parser.add_argument("--most", type=int, default=30, help="mistakes in each target (default: 30; 0: all)")
    parser.add_argument("--seed", type=int, default=1, help="of their choice (default: 1)")
    parser.add_argument("--picked", action="store_true", help="only those of hand_picked.toml")
    options = parser.parse_args()
    chosen = [] if options.only else list(_picked())
    if not options.picked:
        chosen += _random(options.only, options.most, options.seed)
    with tempfile.TemporaryDirectory(prefix="alsek-mutants-") as folder:
        copy = _Copy(Path(folder))
        survivors = [mutant for mutant in chosen if copy.survives(mutant)]
    print(f"{len(chosen)} mistakes, {len(survivors)} not noticed")
    for mutant in survivors:
        print(f"  {mutant.file} {mutant.text}")
    return 1 if survivors else 0


def _picked() -> Iterator[Mutant]:
    """The mistakes that were picked by hand, each in a line that matters."""
    table = tomllib.loads(Path(__file__).with_name("hand_picked.toml").read_text())
    for each in table["mutant"]:
        source = (_ROOT / each["file"]).read_text()
        if source.count(each["old"]) != 1:
            sys.exit(f"{each['file']} must have this once, it is in hand_picked.toml:\n{each['old']}")
        yield Mutant(
            each["file"],
            each["what"],
            source.replace(each["old"], each["new"]),
            tuple(each["tests"]),
            each.get("redis", False),
        )


def _random(only: str | None, most: int, seed: int) -> Iterator[Mutant]:
    """Mistakes that are chosen at random from all that can be made in the targets."""
    chance = random.Random(seed)
    for target in TARGETS:
        if only not in (None, target.name):
            continue
        found = []
        for pattern in target.sources:
            for file in sorted((_ROOT / "packages").glob(pattern)):
                source = file.read_text()
                name = str(file.relative_to(_ROOT))
                found += [(name, source, mutation) for mutation in mutations(source)]
        picked = chance.sample(found, min(most, len(found))) if most else found
        for name, source, mutation in sorted(picked):
            yield Mutant(name, str(mutation), mutation.applied(source), target.tests)


class _Copy:
    """A copy of the code and its tests, where mistakes are made."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("packages", "tests"):
            shutil.copytree(_ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(_ROOT / "pyproject.toml", folder)
        paths = [str(path) for path in sorted(folder.glob("packages/*/src"))]
        # Before the editable packages of the environment. A file that is written twice in one second needs no cache.
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._takes: dict[tuple[str, ...], float] = {}

    def survives(self, mutant: Mutant) -> bool:
        """True if the nearest tests pass with this mistake."""
        if mutant.tests not in self._takes:
            begun = time.monotonic()
            if not self._passes(mutant, None):
                sys.exit(f"these fail without any mistake, or none is run: {' '.join(mutant.tests)}")
            self._takes[mutant.tests] = time.monotonic() - begun
        file = self._folder / mutant.file
        before = file.read_text()
        file.write_text(mutant.source)
        try:
            longest = max(_AT_LEAST_S, _TIMES_LONGER * self._takes[mutant.tests])
            alive = self._passes(mutant, longest)
        finally:
            file.write_text(before)
        print(f"{'NOT NOTICED' if alive else 'noticed':11}  {mutant.file} {mutant.text}", flush=True)
        return alive

    def _passes(self, mutant: Mutant, longest: float | None) -> bool:
        arguments: list[str] = [] if mutant.redis else ["-m", "not redis"]
        for test in mutant.tests:
            found = sorted(str(path) for path in self._folder.glob(test)) if "*" in test else []
            arguments += found or [test]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        done = subprocess.Popen(
            command,
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return done.wait(longest) == 0
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, 9)
            done.wait()
            return False


if __name__ == "__main__":
    sys.exit(main())
