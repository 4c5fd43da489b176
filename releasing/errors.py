"""What refuses a release."""

from __future__ import annotations


class ReleaseRefused(Exception):
    """The release can't be made. The text says why, and what to do; nothing was changed."""
