"""The message port: everything that a store does with messages."""

from __future__ import annotations

from alsek.storage.backends.ports.control import ControlPort
from alsek.storage.backends.ports.inspection import InspectionPort
from alsek.storage.backends.ports.submission import SubmissionPort
from alsek.storage.backends.ports.work import WorkPort


class MessagePort(SubmissionPort, WorkPort, ControlPort, InspectionPort):
    """Messages: submission, work, control and inspection."""
