"""What the operator of a Redis server should know: above all, what loses messages there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from alsek.core.clock import wall_clock_ms
from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.findings import Finding, Level, clock_finding
from alsek.storage.backends.header import READABLE_VERSIONS, unreadable
from alsek.storage.backends.redis.client.connection import Link
from alsek.storage.backends.redis.keys import Keys
from alsek.storage.backends.redis.rights import partitions_finding, rights_finding

_OLDEST: Final = (6, 2)
#: How many records are looked at, chosen at random, for those of a newer version.
_SAMPLE: Final = 20
#: From this share of its memory on, a server is nearly full.
_NEARLY_FULL: Final = 0.9


def examine(link: Link, keys: Keys) -> Iterator[Finding]:
    """Yield what is found, the most basic things first; nothing more once the server does not answer.

    Raises:
        BackendUnavailableError: The server can't be reached.
    """
    try:
        link.call("EXISTS", keys.messages())
    except BackendUnavailableError:
        raise
    except BackendError as error:
        yield Finding("rights", "error", f"Nothing works: {error}")
        return
    yield Finding("reachable", "ok", f"{link.where} answers.")
    if link.direct:  # a fake has no users
        yield rights_finding(link, keys)
    try:
        info = _info(link)
    except BackendError as error:
        yield Finding(
            "server", "warning", f"What the server is like can't be told, since INFO is refused: {error}"
        )
    else:
        yield _version(info)
        yield _role(info)
        yield _eviction(info)
        yield _persistence(info, _saves(link))
        yield from _failed_saves(info)
        yield _memory(info)
    before = wall_clock_ms()
    seconds, micros = link.call("TIME")
    yield clock_finding(int(seconds) * 1_000 + int(micros) // 1_000, before, wall_clock_ms())
    yield _records(link, keys)


def examine_partitions(parts: Sequence[tuple[Link, Keys]]) -> Iterator[Finding]:
    """Yield what is found of the first partition, what is wrong in others, each thing once, and how many there are."""
    told: set[Finding] = set()
    for number, (link, keys) in enumerate(parts):
        for finding in examine(link, keys):
            if finding not in told and (number == 0 or finding.level != "ok"):
                told.add(finding)
                yield finding
    yield partitions_finding(*parts[0], len(parts))


def _info(link: Link) -> dict[str, str]:
    reply: Any = link.call("INFO")
    if isinstance(reply, Mapping):  # a fake within this process
        return {str(name): str(value) for name, value in reply.items()}
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else str(reply)
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}


def _saves(link: Link) -> str | None:
    """Return when the server saves a snapshot, as it is configured; None if it does not say."""
    try:
        reply: Any = link.call("CONFIG", "GET", "save")
    except BackendError:
        return None  # managed servers refuse CONFIG
    if isinstance(reply, Mapping):
        return str(reply.get("save", ""))
    return bytes(reply[1]).decode() if len(reply) > 1 else None


def _version(info: Mapping[str, str]) -> Finding:
    text = info.get("redis_version", "")
    parts = tuple(int(part) for part in re.findall(r"\d+", text)[:2])
    if not parts:
        return Finding(
            "version", "warning", "The server does not tell its version; Alsek needs Redis 6.2 or newer."
        )
    if parts < _OLDEST:
        return Finding("version", "error", f"Redis {text} is too old: Alsek needs 6.2 or newer.")
    return Finding("version", "ok", f"Redis {text}.")


def _role(info: Mapping[str, str]) -> Finding:
    role = info.get("role", "master")
    if role != "master":
        of = f" of {info['master_host']}:{info.get('master_port')}" if "master_host" in info else ""
        return Finding(
            "role",
            "error",
            f"The server is a replica{of}: it takes no writes; name its master, or use Sentinel.",
        )
    return Finding("role", "ok", f"The server is a master; replicas: {info.get('connected_slaves', '0')}.")


def _eviction(info: Mapping[str, str]) -> Finding:
    policy = info.get("maxmemory_policy")
    if policy is None:
        return Finding(
            "eviction", "warning", "The server does not tell its maxmemory-policy; it must be noeviction."
        )
    if policy == "noeviction":
        return Finding(
            "eviction", "ok", "maxmemory-policy is noeviction: a full server refuses, and loses nothing."
        )
    return Finding(
        "eviction",
        "error",
        f"maxmemory-policy is {policy}: a full server deletes messages or results to make room. Set it to noeviction.",
    )


def _persistence(info: Mapping[str, str], saves: str | None) -> Finding:
    if info.get("aof_enabled") == "1":
        return Finding("persistence", "ok", "appendonly is on: a restart keeps what was written.")
    if saves is None:
        return Finding(
            "persistence",
            "warning",
            "appendonly is off, and the server does not tell whether it saves snapshots.",
        )
    if saves:
        return Finding(
            "persistence",
            "warning",
            f"appendonly is off; snapshots are saved ({saves}): a crash loses what came after the last one. Set "
            "appendonly to yes.",
        )
    return Finding(
        "persistence",
        "error",
        "The server keeps nothing on disk: a restart loses all messages. Set appendonly to yes.",
    )


def _failed_saves(info: Mapping[str, str]) -> Iterator[Finding]:
    for name, what in (
        ("rdb_last_bgsave_status", "snapshot"),
        ("aof_last_write_status", "write of the append-only file"),
        ("aof_last_bgrewrite_status", "rewrite of the append-only file"),
    ):
        if info.get(name, "ok") != "ok":
            yield Finding(
                "disk", "error", f"The server's last {what} failed: look into its log, and at its disk."
            )


def _memory(info: Mapping[str, str]) -> Finding:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    limit, name = (
        (most, "maxmemory") if most else (int(info.get("total_system_memory", 0)), "the machine's memory")
    )
    megabytes = f"{used / 1_000_000:,.0f} MB"
    if not limit:
        return Finding("memory", "ok", f"{megabytes} are used.")
    share = used / limit
    text = f"{megabytes} are used, {share:.0%} of {name}"
    if share >= 1:
        level: Level = "error"
        text += ": the server refuses messages. Raise maxmemory, or let workers drain it"
    elif share >= _NEARLY_FULL:
        level = "warning"
        text += ": soon the server will refuse messages"
    else:
        level = "ok"
    return Finding("memory", level, f"{text}.")


def _records(link: Link, keys: Keys) -> Finding:
    """Look whether a newer version has written to this namespace: its records can't be read."""
    found: Any = link.call("HRANDFIELD", keys.messages(), -_SAMPLE, "WITHVALUES") or []
    pairs = (
        found if found and isinstance(found[0], list | tuple) else zip(found[::2], found[1::2], strict=True)
    )
    versions = {
        match[1].decode() for _, record in pairs if (match := re.match(rb"(\d+)\|", record)) is not None
    }
    strange = sorted(versions - {str(version) for version in READABLE_VERSIONS})
    if strange:
        return Finding(
            "namespace",
            "error",
            f"A newer version of Alsek writes to this namespace: {unreadable(strange[0])}.",
        )
    return Finding("namespace", "ok", "All messages that were looked at are of a known version.")
