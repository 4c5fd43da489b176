"""Each contestant's own virtual environment, made from PyPI once and kept in .hatch/peers (which git ignores).

Alsek has one as well, with what a user gets who installs it: redis-py imports what it finds beside it, and the tests'
environment has a lot, which would count as memory and start-up time of Alsek's.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".hatch" / "peers"
_PATIENCE_S = 600


#: Alsek's packages, as they are here.
OURS = tuple(
    argument
    for name in (
        "alsek-core[triggers]",
        "alsek-redis[hiredis]",
        "alsek-sqlite",
        "alsek-workers",
        "alsek-tools",
        "alsek-cli",
    )
    for argument in ("--editable", f"{ROOT}/packages/{name}")
)


class InstallError(Exception):
    """A peer's environment could not be made."""


def prepare(name: str, requirements: Sequence[str]) -> Path:
    """The folder of the environment's programs; it is made anew if what is required has changed.

    Raises:
        InstallError: pip did not succeed.
    """
    folder = CACHE / name
    wanted = hashlib.sha256("\n".join([sys.version, *requirements]).encode()).hexdigest()
    mark = folder / "made-of"
    if mark.is_file() and mark.read_text() == wanted:
        return folder / "bin"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE_S)
    except subprocess.CalledProcessError as error:
        raise InstallError(f"pip install {' '.join(requirements)}: {error.stderr.strip()[-500:]}") from error
    except subprocess.TimeoutExpired as error:
        raise InstallError(f"pip install {' '.join(requirements)}: not done after {_PATIENCE_S} s") from error
    mark.write_text(wanted)
    return folder / "bin"
