"""Which errors of redis-py are retried, and which error of Alsek's is raised for the others.

Transient errors are retried: no connection, no answer in time, a server that loads its data, a replica that is about to
become the primary, a cluster that elects one, a busy script. All others are raised at once. No text here has a password
in it: redis-py's errors name only host and port.
"""

from __future__ import annotations

import re

from redis import exceptions as redis_errors
from redis.sentinel import MasterNotFoundError

from alsek.exceptions import BackendError, BackendUnavailableError
from alsek.storage.backends.redis.client.interruptions import interruption_behind

REFUSED = (redis_errors.AuthenticationError, redis_errors.AuthorizationError)

#: All that redis-py raises.
CLIENT_ERRORS = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError)

_BROKEN = (redis_errors.ConnectionError, redis_errors.TimeoutError, OSError)
#: The server is not the primary.
_NO_LONGER_PRIMARY = (redis_errors.ReadOnlyError, redis_errors.MasterDownError, redis_errors.AskError)
#: The same from within a script, on Redis 6.2.
_READONLY_IN_SCRIPT = ": -READONLY "
#: The answer to a long command of a client that has not logged in.
_NOT_LOGGED_IN = "Protocol error: unauthenticated "
_TRANSIENT = (
    *_BROKEN,
    *_NO_LONGER_PRIMARY,
    redis_errors.TryAgainError,
    redis_errors.ClusterDownError,
    redis_errors.SlotNotCoveredError,
)


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed a moment later."""
    if isinstance(error, REFUSED) or interruption_behind(error) is not None:
        return False
    return isinstance(error, _TRANSIENT) or (
        isinstance(error, redis_errors.ResponseError)
        and (str(error).startswith(("BUSY ", "UNKILLABLE ")) or _READONLY_IN_SCRIPT in str(error))
    )


def is_connection_lost(error: BaseException) -> bool:
    """Whether the connection can't be used any more: it is broken, or its server is no longer the primary."""
    return isinstance(error, (*_BROKEN, *_NO_LONGER_PRIMARY)) or _READONLY_IN_SCRIPT in str(error)


def is_on_its_way(error: BaseException) -> bool:
    """Whether a cluster is moving the slot from one node to another at the moment."""
    asks = isinstance(error, redis_errors.AskError) and not isinstance(error, redis_errors.MovedError)
    return asks or isinstance(error, redis_errors.TryAgainError)


def unavailable(
    where: str, waited_ms: int, error: BaseException, sent: bool = False
) -> BackendUnavailableError:
    """The error for a server that could not be reached in time."""
    doubt = " It is not known whether this call was carried out." if sent else ""
    if is_on_its_way(error):
        return BackendUnavailableError(
            f"{where} moves the slot of this namespace to another node (tried for {waited_ms} ms; last: "
            f"{_text(error)}), and nothing is done until it has arrived.{doubt} If nobody moves it any more, "
            f"redis-cli --cluster fix ends that."
        )
    check = "Check that the server runs and that host, port and network are right."
    if isinstance(error, MasterNotFoundError):
        check = (
            "Check that the sentinels run, that they watch a service of this name, and that their own password, if "
            "they have one, is given (sentinel_password)."
        )
    return BackendUnavailableError(
        f"{where} can't be reached (tried for {waited_ms} ms; last: {_text(error)}).{doubt} {check}"
    )


def server_error(where: str, error: BaseException) -> BackendError:
    """The error for a server that answered with an error."""
    if isinstance(error, REFUSED) or _NOT_LOGGED_IN in str(error):
        return BackendError(
            f"{where} refused the credentials ({_text(error)}): check user name and password in the connection."
        )
    if isinstance(error, redis_errors.OutOfMemoryError):
        return BackendError(
            f"{where} is out of memory (maxmemory) and refuses writes: let workers drain it, or raise maxmemory."
        )
    lacking = re.search(r"ALSEK RIGHTS (\S+) (.*)", str(error), re.DOTALL)
    if lacking is not None:
        return BackendError(
            f"{where}: this user may not do {lacking[1]} with keys like {lacking[2]!r}, so nothing was done. Its rules "
            f"(ACL) must allow all keys of the namespace (~alsek:*) and the commands named in docs/backends.md."
        )
    if isinstance(error, redis_errors.NoPermissionError) or "The user executing the script can't" in str(
        error
    ):
        return BackendError(
            f"{where}: this user lacks a permission that Alsek needs ({_text(error)}). Its rules (ACL) must allow the "
            f"keys ~alsek:*, the channels &alsek:* and the commands named in docs/backends.md."
        )
    foreign = re.search(r"ALSEK KEY (.+?) ((?:WRONGTYPE|ERR|-).*)", str(error), re.DOTALL)
    if foreign is not None:
        return BackendError(
            f"{where}: the key {foreign[1]!r} has something that Alsek did not write ({foreign[2]}). Nothing was done. "
            f"Rename or delete that key, or give Alsek a namespace of its own."
        )
    return BackendError(f"{where} answered with an error: {_text(error)}")


def reason(error: BaseException) -> str:
    """What an error says, without passwords.

    redis-py's error for a master that no sentinel names shows the options of its connections, in some releases with
    passwords; of what was wrong with each sentinel only the kind is kept.
    """
    text = str(error)
    if not isinstance(error, MasterNotFoundError):
        return text
    kinds = re.findall(r" - (?:\w+:)?(\w+)", text)
    return text.partition(" : ")[0] + (f" (sentinels: {', '.join(kinds)})" if kinds else "")


def _text(error: BaseException) -> str:
    text = reason(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
