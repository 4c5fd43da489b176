"""Changes many things one after the other, and says how far it came if it does not come to the end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

import click

from alsek.cli.actions.interruptions import Interruptions
from alsek.cli.failures import PartlyDoneError, exit_code
from alsek.exceptions import AlsekError

T = TypeVar("T")

#: A terminal is told after so many how far it is.
STEP: Final = 100


class Words(NamedTuple):
    """How a run is spoken of.

    Attributes:
        things: What is changed: "dead letters".
        done: What is done to each: "replayed". Also the key of their number in JSON.
    """

    things: str
    done: str


def run_over(items: Iterable[T], act: Callable[[T], bool], words: Words) -> int:
    """Call `act` with each item; return how many it returned True for.

    A SIGINT or SIGTERM ends the run after the present item, so the number is exact. A second one ends it at once.

    Raises:
        PartlyDoneError: It was interrupted, or the store failed on the way; the text says how far it came.
    """
    done = 0
    try:
        with Interruptions() as interruptions:
            for item in items:
                done += act(item)
                if interruptions.seen:
                    raise PartlyDoneError(
                        f"interrupted after {done:,} {words.things} were {words.done}; the others are as they were",
                        {words.done: done},
                    )
                if done and done % STEP == 0:
                    _tell(f"{done:,} {words.done}")
    except PartlyDoneError:
        raise
    except AlsekError as error:
        raise PartlyDoneError(
            f"{error} ({done:,} {words.things} were {words.done} before)",
            {words.done: done},
            exit_code(error),
        ) from error
    return done


def _tell(text: str) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{text}\r", err=True, nl=False)
