"""A bank, as far as this example needs one: it knows payments by name, and refuses those who come too late."""

from __future__ import annotations

import sqlite3
from contextlib import closing


class TooLateError(Exception):
    """The caller's fence is older than one that the bank has seen for this account."""


class Bank:
    """Charges accounts.

    Args:
        file: Where it keeps its books.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        with closing(self._connect()) as books:
            books.execute(
                "create table if not exists charges (payment text primary key, account text, cents integer)"
            )
            books.execute("create table if not exists fences (account text primary key, fence integer)")

    def charge(self, payment: str, account: str, cents: int, fence: int) -> bool:
        """Charge an account; return False if this payment was charged already.

        Raises:
            TooLateError: Somebody with a newer fence was here.
        """
        with closing(self._connect()) as books:
            books.execute("begin immediate")
            (newest,) = books.execute(
                "select coalesce(max(fence), 0) from fences where account = ?", (account,)
            ).fetchone()
            if fence < newest:
                books.execute("rollback")
                raise TooLateError(f"fence {fence} of account {account} is older than {newest}")
            books.execute("replace into fences values (?, ?)", (account, fence))
            done = books.execute("insert or ignore into charges values (?, ?, ?)", (payment, account, cents))
            books.execute("commit")
            return done.rowcount == 1

    def charges(self) -> list[tuple[str, str, int]]:
        """Return all charges: payment, account and cents."""
        with closing(self._connect()) as books:
            return books.execute("select payment, account, cents from charges order by payment").fetchall()

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._file, isolation_level=None, timeout=20)
