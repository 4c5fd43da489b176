"""What each kind of user does: the commands that the rules of a server (ACL) must allow it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final, Literal, TypeAlias, get_args

from alsek.storage.backends.redis.client.script_text import SERVER_CLOCK, commands_of, load

#: A reader looks, a producer submits as well, and a worker does everything.
Role: TypeAlias = Literal["reader", "producer", "worker"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)

#: Publishing and listening may be forbidden: then changes are noticed later.
HINTS: Final = frozenset(("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE"))
#: Commands that have no key in the first place.
KEYLESS: Final = frozenset(("EVAL", "EVALSHA", "EXEC", "MULTI", "PING", "SCAN", "TIME"))
#: Commands that change something. A user who may use some of those of a role was probably meant to have that role.
CHANGES: Final = frozenset(
    (
        *(
            "BLPOP",
            "DEL",
            "HDEL",
            "HINCRBY",
            "HSET",
            "HSETNX",
            "LTRIM",
            "PERSIST",
            "PEXPIRE",
            "RPUSH",
            "SADD",
        ),
        *("SET", "SREM", "UNLINK", "ZADD", "ZREM", "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE"),
    )
)
_READING_SCRIPTS: Final = (
    *("aside", "browse", "dead_letter", "dead_letters", "dead_queues", "descendants", "find", "find_dead"),
    *("fronts", "get", "history", "key_record", "limit_records", "now", "pauses", "peek", "place"),
    *("report_records", "tallies", "worker_records"),
)
_SUBMITTING_SCRIPTS: Final = (
    *("add", "add_one", "group_create"),
    *("schedule_pause", "schedule_put", "schedule_remove", "schedule_resume"),
)
#: What is sent as a command of its own.
_READS: Final = KEYLESS | {
    *("SUBSCRIBE", "UNSUBSCRIBE", "EXISTS", "GET", "HGET", "HGETALL", "HKEYS", "HMGET", "HRANDFIELD", "MGET"),
}
_SUBMITS: Final = _READS | {"DEL", "PUBLISH"}
_WORKS: Final = _SUBMITS | {"BLPOP", "HSCAN", "HSETNX", "SET", "SMEMBERS", "UNLINK", "ZRANGE"}


@cache
def commands_for(role: Role) -> frozenset[str]:
    """The commands that this user needs. Those with keys need them all, with every key of the namespace."""
    match role:
        case "reader":
            return _READS | _of_scripts(_READING_SCRIPTS)
        case "producer":
            return commands_for("reader") | _SUBMITS | _of_scripts(_SUBMITTING_SCRIPTS)
        case "worker":
            scripts = files("alsek.storage.backends.redis").joinpath("scripts")
            texts = [
                each.read_text("utf-8")
                for folder in (scripts, scripts.joinpath("shared"))
                for each in folder.iterdir()
                if each.name.endswith(".lua")
            ]
            return commands_for("producer") | _WORKS | frozenset(commands_of("".join(texts)))


def _of_scripts(names: tuple[str, ...]) -> frozenset[str]:
    texts = (load(name, SERVER_CLOCK).flagged.decode() for name in names)
    return frozenset(command for text in texts for command in commands_of(text))
