"""The pages of the Python reference: which names are on which page. Their text is the docstrings'."""

from __future__ import annotations

from typing import Final, NamedTuple


class ApiPage(NamedTuple):
    """One page.

    Attributes:
        title: Its heading.
        about: One sentence below it.
        names: What is on it, by full path.
    """

    title: str
    about: str
    names: tuple[str, ...]


#: By the name of their file.
PAGES: Final = {
    "tasks": ApiPage(
        "Tasks",
        "Make a task of a function, submit messages of it, and steer its retries.",
        (
            "alsek.task",
            "alsek.Task",
            "alsek.TriggerTask",
            "alsek.Call",
            "alsek.Retry",
            "alsek.Reject",
            "alsek.Backoff",
            "alsek.ConstantBackoff",
            "alsek.ExponentialBackoff",
            "alsek.LinearBackoff",
        ),
    ),
    "messages": ApiPage(
        "Messages",
        "What a task is called with, what it sees of its own message, and what reads messages by hand.",
        ("alsek.Message", "alsek.current_message", "alsek.Progress", "alsek.Consumer"),
    ),
    "broker": ApiPage(
        "Broker", "Submits, ends, revokes and replays messages.", ("alsek.Broker", "alsek.Middleware")
    ),
    "results": ApiPage(
        "Results and statuses",
        "What became of a message.",
        (
            "alsek.ResultStore",
            "alsek.ResultPool",
            "alsek.StatusTracker",
            "alsek.TaskStatus",
            "alsek.StatusTrackerIntegrityScanner",
        ),
    ),
    "keys-and-limits": ApiPage(
        "Unique messages, limits, locks",
        "One at a time, and not too many at a time.",
        ("alsek.Unique", "alsek.Concurrency", "alsek.Rate", "alsek.Lock"),
    ),
    "groups": ApiPage("Groups", "Many messages that end together.", ("alsek.Group", "alsek.GroupProgress")),
    "schedules": ApiPage(
        "Schedules", "Messages that are submitted at their time.", ("alsek.Schedule", "alsek.Scheduled")
    ),
    "backends": ApiPage(
        "Backends and serializers",
        "The stores, and how data is written into them.",
        (
            "alsek.RedisBackend",
            "alsek.SQLiteBackend",
            "alsek.MemoryBackend",
            "alsek.storage.backends.lazy.LazyClient",
            "alsek.Serializer",
            "alsek.JsonSerializer",
            "alsek.Compressed",
            "alsek.Encrypted",
        ),
    ),
    "workers": ApiPage(
        "Workers",
        "The pools, started from Python.",
        (
            "alsek.ThreadWorkerPool",
            "alsek.ProcessWorkerPool",
            "alsek.on_worker_start",
            "alsek.on_worker_stop",
        ),
    ),
    "inspector": ApiPage(
        "Inspector", "Reads everything that the commands show. It changes nothing.", ("alsek.Inspector",)
    ),
    "dashboard": ApiPage(
        "Dashboard", "An ASGI application for your own one.", ("alsek.dashboard.dashboard",)
    ),
    "django": ApiPage(
        "Django",
        "The package alsek-django.",
        (
            "alsek.django.backend.AlsekBackend",
            "alsek.django.options.BackendOptions",
            "alsek.django.backend.broker",
            "alsek.django.backend.alsek_task",
            "alsek.django.connections.DatabaseConnections",
        ),
    ),
    "testing": ApiPage("Testing", "Tests of your own tasks.", ("alsek.testing",)),
    "exceptions": ApiPage("Exceptions", "All errors of Alsek.", ("alsek.exceptions",)),
}


def pages() -> dict[str, str]:
    """The text of each page, by its path on the site; `api.md` lists them."""
    made = {f"api/{name}.md": _text(page) for name, page in PAGES.items()}
    lines = [
        "# Python",
        "",
        "Everything that programs need can be imported from `alsek`. These pages are made of the docstrings.",
        "",
    ]
    for name, page in PAGES.items():
        lines.append(f"- [{page.title}](api/{name}.md): {page.about}")
    made["api.md"] = "\n".join(lines) + "\n"
    return made


def _text(page: ApiPage) -> str:
    blocks = "\n\n".join(f"::: {name}" for name in page.names)
    return f"# {page.title}\n\n{page.about}\n\n{blocks}\n"
