"""What programs put into their logging configuration: a filter that adds the current message, a formatter of JSON."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from alsek.core.current_message import current_message
from alsek.core.failure import TracebackText, class_name, shortened
from alsek.core.loggers import GuardedLogger
from alsek.exceptions import MessageRevokedError, TaskTimeoutError

#: The attributes that every record has. All others were given as `extra`, or added by a filter.
_OF_EVERY_RECORD: Final = frozenset(
    {*logging.LogRecord("", 0, "", 0, "", None, None).__dict__, "message", "asctime", "taskName"}
)
#: How deep lists and mappings may be nested in an `extra` field; deeper ones are written as text.
_DEEPEST: Final = 8
#: Integers of more bits are written as text: many readers of JSON keep 64.
_MOST_BITS: Final = 64

#: The fields of a record that say which message it is about, and the attribute of the message in each.
_MESSAGE_FIELDS: Final = (("uuid", "uuid"), ("task", "task_name"), ("queue", "queue"))


class MessageFilter(logging.Filter):
    """Puts the message that runs on every record: as ``record.uuid``, ``record.task`` and ``record.queue``.

    The names are those of the pools' own log lines, whose values stay. Outside of a task they are empty, so that a
    format may name them: ``%(levelname)s [%(task)s %(uuid)s] %(message)s``. Add it to handlers: a filter of a logger
    does not see the records of the loggers below it. It lets every record pass, and never raises.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the fields that the record does not have yet, and let it pass."""
        message, fields = current_message(), record.__dict__
        for name, attribute in _MESSAGE_FIELDS:
            if name not in fields:
                # The task may have changed its message: only text is taken.
                value = "" if message is None else getattr(message, attribute, "")
                fields[name] = value if type(value) is str else ""
        return True


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object in one line.

    The keys are ``time`` (ISO 8601, UTC), ``level``, ``logger``, ``message``, ``process`` (its pid) and ``thread``
    (its name); then each field that was given as `extra`; then ``exception`` (the traceback) and ``stack``, if the
    record has them. A field of `extra` with the name of another key gets an underscore at its end. What JSON can't say
    is written as text.

    It never raises: what can't be had is replaced by a text that says so. (The exceptions that end a task, its timeout
    and its revocation, pass: they are raised in the task's thread at any moment.)
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": _had(lambda: _utc(record.created)),
            "level": _had(lambda: _plain(record.levelname)),
            "logger": _had(lambda: _plain(record.name)),
            "message": _message(record),
            "process": _had(lambda: _plain(record.process)),
            "thread": _had(lambda: _plain(record.threadName)),
        }
        endings: dict[str, Any] = {}
        if record.exc_info or record.exc_text:
            endings["exception"] = _had(lambda: shortened(_text(self._traceback(record))))
        elif trace := _last_traceback(record):
            endings["exception"] = trace.strip()
        if record.stack_info:
            endings["stack"] = _had(lambda: shortened(_text(self.formatStack(str(record.stack_info)))))
        for name, value in list(record.__dict__.items()):
            if name not in _OF_EVERY_RECORD:
                key = _key(name)  # logging takes keys of any kind
                while key in line or key in endings:
                    key += "_"
                line[key] = _had(lambda value=value: _plain(value))  # type: ignore[misc]
        return json.dumps(line | endings)

    def _traceback(self, record: logging.LogRecord) -> str:
        if record.exc_text or not record.exc_info:
            return record.exc_text or ""
        return self.formatException(record.exc_info)


def _had(make: Callable[[], Any]) -> Any:
    """Return what `make` returns; if it raises, a text that names the exception."""
    try:
        return make()
    except (TaskTimeoutError, MessageRevokedError):
        raise
    except (GuardedLogger.catches, SystemExit) as error:
        return f"<can't be had: {class_name(error)}>"


def _utc(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(text: str) -> str:
    """Return a plain ``str``, without calling the user's code if it is one of a subclass."""
    return str.__str__(text)


def _last_traceback(record: logging.LogRecord) -> str:
    """Return the traceback that ends the message of a record of a worker's; empty if there is none."""
    arguments = record.args
    last = arguments[-1] if type(arguments) is tuple and arguments else None
    return _text(last) if type(last) is TracebackText else ""


def _message(record: logging.LogRecord) -> str:
    """Return the message of a record; if its arguments can't be put in, the text without them."""
    try:
        text = record.getMessage()
        return shortened(_text(text).removesuffix(_last_traceback(record)))
    except (TaskTimeoutError, MessageRevokedError):
        raise
    except (GuardedLogger.catches, SystemExit) as error:
        text = _text(record.msg) if issubclass(type(record.msg), str) else f"<{class_name(record.msg)}>"
        return shortened(f"{text} <arguments can't be had: {class_name(error)}>")


def _plain(value: Any, within: tuple[int, ...] = ()) -> Any:
    """Return `value` as JSON can say it; as text if it can't.

    Args:
        value: The value.
        within: The ids of the lists and mappings that it is in.
    """
    kind = type(value)  # not isinstance(), which asks the value for its `__class__`
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return shortened(_text(value))
    if issubclass(kind, int):
        number = int.__int__(value)
        return number if number.bit_length() <= _MOST_BITS else shortened(hex(number))
    if issubclass(kind, float):
        real = float.__float__(value)
        return real if math.isfinite(real) else repr(real)
    if issubclass(kind, dict | list | tuple) and len(within) < _DEEPEST:
        if id(value) in within:
            return "<in itself>"
        within = (*within, id(value))
        if issubclass(kind, dict):
            return {_key(key): _item(each, within) for key, each in list(dict.items(value))}
        return [_item(each, within) for each in (list if issubclass(kind, list) else tuple).__iter__(value)]
    return shortened(_text(str(value)))


def _item(value: Any, within: tuple[int, ...]) -> Any:
    return _had(lambda: _plain(value, within))


def _key(key: Any) -> str:
    return _text(_had(lambda: shortened(_text(str(key)))))
