"""Asks before something is deleted."""

from __future__ import annotations

import sys

import click


def confirmed(question: str) -> None:
    """Return if the user agrees.

    Args:
        question: What is about to happen, as a question.

    Raises:
        click.UsageError: There is no terminal to ask on.
        click.Abort: The user does not agree.
    """
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} There is no terminal to ask on: add --yes")
    click.confirm(question, abort=True, err=True)
