"""What a log handler, a filter, a formatter or a record factory of the user's raises ends in Alsek's loggers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alsek.core.loggers import exits_caught, guarded_logger
from alsek.exceptions import MessageRevokedError, TaskTimeoutError


class Broken:
    """Raises an error at one place of the logging of one logger."""

    def __init__(self, place: str, error: BaseException) -> None:
        self.logger = logging.getLogger(f"alsek.broken_{place}")
        self.logger.propagate = False
        handler: logging.Handler = logging.NullHandler()
        if place == "handler":
            handler.handle = self.fail(error)  # type: ignore[method-assign]
        elif place == "filter":
            self.logger.addFilter(self.fail(error))
        elif place == "filter of a handler":
            handler = logging.StreamHandler()
            handler.addFilter(self.fail(error))
        elif place == "formatter":
            handler = logging.Handler()
            handler.emit = lambda record: handler.format(record)  # type: ignore[method-assign, assignment]
            handler.formatter = logging.Formatter()
            handler.formatter.format = self.fail(error)  # type: ignore[method-assign]
        elif place == "record factory":
            logging.setLogRecordFactory(self.fail(error))
        self.logger.handlers = [handler]

    @staticmethod
    def fail(error: BaseException) -> Callable[..., Any]:
        """A function that raises it."""

        def fail(*_: Any, **__: Any) -> Any:
            raise error

        return fail


PLACES = ["handler", "filter", "filter of a handler", "formatter", "record factory"]


@pytest.fixture(autouse=True)
def _record_factory() -> Iterator[None]:
    """What a test has set is put back."""
    before = logging.getLogRecordFactory()
    yield
    logging.setLogRecordFactory(before)


@pytest.mark.parametrize("place", PLACES)
def test_what_fails_is_told_and_ends_there(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs goes on; standard error has the record that is lost, and why."""
    broken = Broken(place, KeyError("user"))
    guarded_logger(broken.logger.name).error("%s failed: %s", "a message", "no money", extra={"uuid": "1"})
    told = capsys.readouterr().err
    assert f"ERROR {broken.logger.name}: a message failed: no money" in told
    assert "KeyError: 'user'" in told


@pytest.mark.parametrize("error", [TaskTimeoutError("late"), MessageRevokedError("revoked")])
def test_what_is_raised_in_a_task_from_outside_passes(error: BaseException) -> None:
    """A timeout that strikes while a task's own thread logs is the task's, in a pool as well."""
    broken = Broken("handler", error)
    with exits_caught(), pytest.raises(type(error)):
        guarded_logger(broken.logger.name).error("x")


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_exits_end_there_in_a_pool_alone(error: BaseException) -> None:
    """Elsewhere they pass: the signal handlers of a program raise them, wherever it is."""
    broken = Broken("handler", error)
    log = guarded_logger(broken.logger.name)
    with pytest.raises(type(error)):
        log.error("x")
    with exits_caught():
        log.error("x")
    with pytest.raises(type(error)):
        log.error("x")


class Unprintable:
    """Exits when it is shown."""

    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


def test_arguments_that_can_not_be_shown() -> None:
    """An argument whose text exits costs its record, no more."""
    logger = logging.getLogger("alsek.shows")
    logger.handlers, logger.propagate = [logging.StreamHandler()], False
    with exits_caught():
        guarded_logger(logger.name).error("%s", Unprintable())
        guarded_logger(logger.name).error(Unprintable())  # type: ignore[arg-type, unused-ignore]


def test_a_standard_error_that_fails_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """When there is nowhere left to tell it, the record is lost in silence, and whoever logs goes on."""
    broken = Broken("handler", KeyError("user"))
    log = guarded_logger(broken.logger.name)

    class Closed:
        """A stream that takes nothing."""

        def write(self, text: str) -> int:
            raise ValueError("I/O operation on closed file")

    monkeypatch.setattr("sys.stderr", Closed())
    log.error("x")
    monkeypatch.setattr("sys.stderr", None)
    log.error("x")
    monkeypatch.setattr(logging, "raiseExceptions", False)
    log.error("x")


def test_records_are_as_they_were(caplog: pytest.LogCaptureFixture) -> None:
    """Level, arguments, extra, exception, and the line that logged: all as from a plain logger."""
    log = guarded_logger("alsek.plain")
    caplog.set_level("INFO", "alsek.plain")
    log.debug("not shown")
    try:
        raise ValueError("v")
    except ValueError:
        log.exception("a %s", "b", extra={"uuid": "1"})
    log.log(logging.WARNING, "c")
    first, second = caplog.records
    assert first.message == "a b"
    assert first.levelname == "ERROR"
    assert first.exc_info is not None
    assert vars(first)["uuid"] == "1"
    assert (first.funcName, second.funcName) == ("test_records_are_as_they_were",) * 2
    assert first.filename == "test_loggers.py"


def test_the_class_of_a_logger_is_the_users_to_choose() -> None:
    """A program that configured the logger ``alsek`` before the import, or its own class, is heard as well."""

    class Own(logging.Logger):
        """Keeps what it is told."""

        told: tuple[Any, ...] = ()

        def handle(self, record: logging.LogRecord) -> None:
            self.told += (record.getMessage(),)

    logging.setLoggerClass(Own)
    try:
        logger = logging.getLogger("alsek.own_class")
    finally:
        logging.setLoggerClass(logging.Logger)
    guarded_logger("alsek.own_class").warning("heard")
    assert isinstance(logger, Own)
    assert logger.told == ("heard",)
