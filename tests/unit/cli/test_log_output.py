"""Where the commands of pools log, and what they leave to the user's package."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from alsek.cli.log_output import LogOutput


@contextmanager
def fresh_loggers() -> Iterator[None]:
    """The loggers of a fresh program: pytest adds handlers of its own before each test."""
    names = ["", "alsek", "apscheduler"]
    loggers = [logging.getLogger(name) for name in names]
    before = [(each.level, each.handlers[:], each.propagate) for each in loggers]
    for each in loggers:
        each.handlers[:] = []
    try:
        yield
    finally:
        for each, (level, handlers, propagate) in zip(loggers, before, strict=True):
            each.setLevel(level)
            each.handlers[:] = handlers
            each.propagate = propagate


def log_both() -> None:
    """A record of Alsek's, and one of the user's."""
    logging.getLogger("alsek.core.somewhere").info("of alsek")
    logging.getLogger("shop").info("of the shop")


@fresh_loggers()
def test_all_records_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of the user's code as well, if it says nothing of where they go."""
    LogOutput("INFO", "text").after_import()
    log_both()
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("alsek.core.somewhere: of alsek")
    assert second.endswith("shop: of the shop")


@fresh_loggers()
def test_what_is_logged_during_the_import_is_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """Before it is known whether the package configures logging."""
    LogOutput("INFO", "text")
    log_both()
    assert capsys.readouterr().err.count("\n") == 1
    assert not logging.root.handlers


@fresh_loggers()
def test_the_level_is_that_of_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    """In either spelling."""
    LogOutput("error", "text").after_import()
    log_both()
    logging.getLogger("alsek.core.somewhere").error("bad")
    assert capsys.readouterr().err.count("\n") == 1


@fresh_loggers()
def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With the fields of the record."""
    LogOutput("INFO", "json").after_import()
    logging.getLogger("alsek.core.somewhere").info("two\nlines", extra={"uuid": "u"})
    logging.getLogger("shop").info("of the shop")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["message"], first["uuid"], first["level"]) == ("two\nlines", "u", "INFO")
    assert second["logger"] == "shop"


@fresh_loggers()
def test_a_root_logger_that_the_package_configures_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Its handlers write Alsek's records too, each once; its level is the user's."""
    output = LogOutput("INFO", "text")
    logging.basicConfig(level="WARNING", format="mine: %(message)s")
    handlers = logging.root.handlers[:]
    output.after_import()
    log_both()
    assert capsys.readouterr().err == "mine: of alsek\n"
    assert logging.root.handlers == handlers
    assert logging.root.level == logging.WARNING


@fresh_loggers()
def test_json_that_was_asked_for_is_written_beside_the_packages_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Alsek's records are JSON, once each; those of the user's code are as he says."""
    output = LogOutput("INFO", "json")
    logging.basicConfig(level="INFO", format="mine: %(message)s")
    output.after_import()
    log_both()
    first, second = capsys.readouterr().err.splitlines()
    assert json.loads(first)["message"] == "of alsek"
    assert second == "mine: of the shop"
