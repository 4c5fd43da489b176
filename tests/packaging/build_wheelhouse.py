"""Builds the wheel of every package into a folder, with a constraints file that names them for pip.

A constraint `alsek-core @ file:///…` holds for whoever requires alsek-core, so no index is asked for it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = Path(__file__).resolve().parents[2] / "packages"


def main(wheelhouse: Path) -> None:
    """Build into `wheelhouse`, which is emptied first."""
    shutil.rmtree(wheelhouse, ignore_errors=True)
    wheelhouse.mkdir(parents=True)
    constraints = []
    for package in sorted(path.parent for path in PACKAGES.glob("*/pyproject.toml")):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheelhouse)]
        subprocess.run(build, cwd=package, check=True, stdout=subprocess.DEVNULL)
        (wheel,) = wheelhouse.glob(f"{package.name.replace('-', '_')}-*.whl")
        constraints.append(f"{package.name} @ {wheel.as_uri()}\n")
    (wheelhouse / "constraints.txt").write_text("".join(constraints))


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
