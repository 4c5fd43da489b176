"""The OPTIONS of a backend in the setting TASKS, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils.module_loading import import_string

from alsek.core.arguments.parameters import did_you_mean
from alsek.core.bounds import check_integer, check_number, milliseconds
from alsek.core.broker import Broker
from alsek.core.short_repr import shown
from alsek.defaults import DEFAULT_DLQ_TTL, DEFAULT_NAMESPACE, DEFAULT_RESULT_TTL, DEFAULT_TASK_TIMEOUT
from alsek.django.errors import SettingsError
from alsek.exceptions import ValidationError


@dataclass(frozen=True, slots=True)
class BackendOptions:
    """The OPTIONS of a backend. Times are milliseconds, or timedeltas.

    Attributes:
        store: The url or path of the store, as the commands of ``alsek`` take it.
        namespace: The namespace in that store.
        broker: The dotted path of a broker to use in place of a store of its own, or the broker.
        timeout: How long an attempt may take.
        max_retries: How often a task that fails is run again; None without limit.
        result_ttl: How long a result is kept; None for ever.
        failure_ttl: How long a task that failed is kept among the dead letters.
        on_commit: True to submit when the present transaction commits; the name of a database for its transaction.
    """

    store: str | None = None
    namespace: str = DEFAULT_NAMESPACE
    broker: str | Broker | None = None
    timeout: int = DEFAULT_TASK_TIMEOUT
    max_retries: int | None = 0
    result_ttl: int | None = DEFAULT_RESULT_TTL
    failure_ttl: int = DEFAULT_DLQ_TTL
    on_commit: bool | str = False


_NAMES = tuple(field.name for field in fields(BackendOptions))
_DURATIONS = ("timeout", "result_ttl", "failure_ttl")


def options_of(alias: str, given: Any) -> BackendOptions:
    """Return the OPTIONS of a backend.

    Raises:
        SettingsError: One is missing, unknown or wrong.
    """
    where = f"TASKS[{alias!r}]['OPTIONS']"
    if not isinstance(given, Mapping):
        raise SettingsError(f"{where} is {shown(given)}: must be a dict")
    for name in given:
        if name not in _NAMES:
            raise SettingsError(f"{where} has no option {name!r}{did_you_mean(str(name), _NAMES)}")
    values = {**given}
    if isinstance(values.get("store"), Path):
        values["store"] = str(values["store"])
    for name in _DURATIONS:
        if isinstance(values.get(name), timedelta):
            values[name] = milliseconds(values[name])
    options = BackendOptions(**values)
    try:
        _check(options, where)
    except SettingsError:
        raise
    except ValidationError as error:
        raise SettingsError(str(error)) from None
    return options


def _check(options: Any, where: str) -> None:
    if (options.store is None) == (options.broker is None):
        raise SettingsError(
            f"{where} must name a store, such as 'redis://localhost' or 'sqlite:////srv/shop/alsek.db', or a broker "
            "by its dotted path, and not both"
        )
    if options.store is not None and not isinstance(options.store, str):
        raise SettingsError(f"{where}: store={shown(options.store)}: must be a url, or a path")
    if options.broker is not None and not isinstance(options.broker, str | Broker):
        raise SettingsError(f"{where}: broker={shown(options.broker)}: must be a dotted path, or a Broker")
    if not isinstance(options.namespace, str):
        raise SettingsError(f"{where}: namespace={shown(options.namespace)}: must be text")
    check_number("timeout", options.timeout, 1, where)
    check_integer("max_retries", options.max_retries, 0, where, optional=True)
    check_number("result_ttl", options.result_ttl, 1, where, optional=True)
    check_number("failure_ttl", options.failure_ttl, 1, where)
    if not isinstance(options.on_commit, bool | str) or options.on_commit == "":
        raise SettingsError(
            f"{where}: on_commit={shown(options.on_commit)}: must be True, False or the name of a database"
        )


def named_broker(alias: str, named: str | Broker) -> Broker:
    """Return the broker that the OPTIONS of a backend name.

    Raises:
        SettingsError: There is none of that name.
    """
    if isinstance(named, Broker):
        return named
    where = f"TASKS[{alias!r}]['OPTIONS']: broker={named!r}"
    try:
        found = import_string(named)
    except ImportError as error:
        raise SettingsError(f"{where} can't be imported: {error}") from error
    if not isinstance(found, Broker):
        raise SettingsError(f"{where} is {shown(found)}: must be a Broker")
    return found
