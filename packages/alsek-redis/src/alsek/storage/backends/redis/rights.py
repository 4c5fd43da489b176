"""Which of the things that Alsek does this user may do, looked at before any of them is tried."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final

from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.findings import Finding, Level
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.roles import CHANGES, HINTS, KEYLESS, ROLES, Role, commands_for

_SCRIPTS: Final = files("alsek.storage.backends.redis").joinpath("scripts")
_PROBE: Final = _SCRIPTS.joinpath("rights", "probe.lua")
_PROBE_OF_CLUSTERS: Final = _SCRIPTS.joinpath("clusters", "probe.lua")
_DOES: Final[dict[Role, str]] = {
    "reader": "look",
    "producer": "look and submit",
    "worker": "do all that a worker does",
}
_SEE: Final = "docs/cluster.md has the rules (ACL)"


def rights_finding(link: Link, keys: Keys) -> Finding:
    """Find out what this user may do; nothing is written.

    Raises:
        BackendUnavailableError: The server can't be reached.
    """
    needed = commands_for("worker") - HINTS
    keyed, alone = needed - KEYLESS, needed & KEYLESS - {"EVAL"}
    arguments = (keys.channel("results:none"), *sorted(keyed), "", *sorted(alone))
    try:
        answer: Any = link.call("EVAL", _PROBE.read_bytes(), 1, keys.messages(), *arguments)
    except BackendUnavailableError:
        raise
    except BackendError as error:
        return Finding(
            "rights", "error", f"This user may not run scripts with the keys of the namespace: {error}"
        )
    if answer is None:
        return Finding(
            "rights", "ok", "Before Redis 7 the server tells what a user may not do only when it is tried."
        )
    lacking = frozenset(command.decode() for command in answer[3:])
    if keyed <= lacking:
        return Finding(
            "rights", "error", f"This user may not use the keys ~{keys.prefix}*: nothing works. {_SEE}."
        )
    return _finding(lacking, bool(answer[1]), bool(answer[2]), keys)


def partitions_finding(link: Link, keys: Keys, many: int) -> Finding:
    """Say how many partitions there are, and on a cluster over how many connections a worker of this user waits.

    Args:
        link: To the server of one of them.
        keys: The names of that one.
        many: How many there are.

    Raises:
        BackendUnavailableError: The server can't be reached.
    """
    text = f"The namespace has {many} partitions"
    if not link.cluster:
        return Finding("partitions", "ok", f"{text}.")
    try:
        answer: Any = link.call(
            "EVAL", _PROBE_OF_CLUSTERS.read_bytes(), 1, keys.messages(), keys.told("none")
        )
    except BackendUnavailableError:
        raise
    except BackendError:  # another finding is about that
        return Finding("partitions", "ok", f"{text}.")
    if answer is None:
        return Finding(
            "partitions", "ok", f"{text}; before Redis 7 a waiting worker has a connection for each."
        )
    if answer:
        lacking = " ".join(right.decode() for right in answer)
        return Finding(
            "partitions",
            "warning",
            f"{text}; without {lacking} and the channels &{keys.prefix}* waiting workers have a connection for each, "
            f"not one to each node. {_SEE}.",
        )
    return Finding("partitions", "ok", f"{text}; a waiting worker has a connection to each node.")


def _finding(lacking: frozenset[str], hears: bool, tells: bool, keys: Keys) -> Finding:
    can: list[Role] = [role for role in ROLES if not commands_for(role) & lacking]
    if not can:
        least = _listed(commands_for("reader") & lacking)
        return Finding("rights", "error", f"This user may not even look: it lacks {least}. {_SEE}.")
    role = can[-1]
    text = f"This user may {_DOES[role]}"
    level: Level = "ok"
    if role != "worker":
        above = ROLES[ROLES.index(role) + 1]
        missing = commands_for(above) & lacking
        has = commands_for(above) - commands_for(role) - lacking
        if has & CHANGES:
            level = "warning"
        text += f"; to {_DOES[above]} it lacks {_listed(missing)}"
    if not hears:
        level = "warning"
        text += f"; without +subscribe and the channels &{keys.prefix}* it can't wait for results"
    if not tells and role != "reader":
        level = "warning"
        text += f"; without +publish and the channels &{keys.prefix}* what it changes is noticed late"
    return Finding("rights", level, f"{text}." if level == "ok" else f"{text}. {_SEE}.")


def _listed(commands: frozenset[str]) -> str:
    return " ".join(f"+{command.lower()}" for command in sorted(commands))
