"""What follows from what a transaction has done to messages, once that is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from alsek.storage.backends.sqlite.database.database import Database
from alsek.storage.backends.sqlite.database.transaction import Transaction
from alsek.storage.backends.sqlite.messages import member_ends
from alsek.storage.backends.sqlite.messages.settling import settle

T = TypeVar("T")


def finish(tx: Transaction) -> bool:
    """Do what is left to do; return True if there was anything.

    A step does this before it claims, and again after that: a claim may be the start for which others wait.
    """
    if not (tx.unsettled or tx.bound_ends):
        return False
    if tx.bound_ends:
        member_ends.settle(tx)
    settle(tx)
    return True


def write(database: Database, work: Callable[[Transaction], T]) -> T:
    """Run `work` in a transaction that changes messages, and in the same one what follows from it."""

    def whole(tx: Transaction) -> T:
        value = work(tx)
        finish(tx)
        return value

    return database.write(whole)
