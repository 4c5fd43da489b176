"""RESULTS.md: the table of ratios, what was set for each, and all figures."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from benchmarks import plot
from benchmarks.cases import Case
from benchmarks.machine import Machine
from benchmarks.peers import Contestant
from benchmarks.results import Scores, Spread

_ON = {"redis": ("Alsek", ""), "sqlite": ("Alsek on SQLite", " on SQLite")}


def write(
    path: Path,
    scores: Scores,
    contestants: Sequence[Contestant],
    cases: Sequence[Case],
    machine: Machine,
    settings: str,
) -> None:
    """Write the report, and its picture beside it."""
    picture = path.with_suffix(".svg")
    drawn = plot.write(picture, scores, [c.name for c in contestants if c.store == "redis"])
    parts = [
        "# Alsek and its peers, side by side",
        "",
        f"Written by `hatch run bench` ({settings}). Medians of all rounds, with the least and the most. "
        "A figure without these is of the first round alone: it has no target, or another peer was twice as good. "
        "In each round every library has its turn, in another order each time, on a Redis (or a file) of its own, "
        "with the same task, which does nothing; all messages are submitted before the worker starts (slow ones are "
        "given fewer). Read ratios: "
        "figures drift with the machine.",
        "",
        *_about(machine),
        *([f"![Rates and latencies]({picture.name})", ""] if drawn else []),
        "## Alsek beside the fastest peer of each row",
        "",
        *_summary(scores, contestants, cases),
        "## Settings and reliability",
        "",
        *_settings(contestants),
    ]
    for case in cases:
        parts += _case(case, scores, contestants)
    for name, title in (
        ("backlog", "What a step costs while messages wait (Alsek)"),
        ("limits", "What this machine can do"),
    ):
        parts += _solo(name, title, scores)
    parts += _failures(scores)
    path.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _about(machine: Machine) -> list[str]:
    loads = ", ".join(f"{load:.1f}" for load in machine.loads)
    lines = [
        f"- **Machine**: {machine.processor}, {machine.cores} cores, {machine.memory_gib:.0f} GiB; {machine.system}; "
        f"Python {machine.python}; Redis {machine.redis} without persistence; loopback. {machine.began}.",
        "- **Load average** before the last run, and after each of its rounds (the benchmark's own load is in all but "
        f"the first): {loads}. Time stolen by other guests of the host: {machine.steal:.1f} %.",
        f"- **Alsek** {version('alsek-core')}, redis-py {version('redis')}, {platform.python_implementation()}.",
    ]
    if machine.busy_before:
        lines.append(
            "- **Taken on a busy machine**: others were at work when the last run began. Take the ratios, and those "
            "with caution."
        )
    return [*lines, ""]


def _summary(scores: Scores, contestants: Sequence[Contestant], cases: Sequence[Case]) -> list[str]:
    rows = ["| what | | Alsek | fastest peer | ratio |", "|---|---|---|---|---|"]
    for case in cases:
        for store, (ours, suffix) in _ON.items():
            peers = [c.name for c in contestants if c.store == store and not c.ours]
            for name in scores.names(case.name):
                if name.startswith("PSS") and case.name != "drain":
                    continue
                if name.startswith("ideal"):
                    continue
                rows += _row(scores, case, name, ours, suffix, peers)
    return [
        *rows,
        "",
        "A ratio above 1 says that Alsek is better: so many times the rate, or so many times less.",
        "",
    ]


def _row(scores: Scores, case: Case, name: str, ours: str, suffix: str, peers: list[str]) -> list[str]:
    mine = scores.spread(case.name, ours, name)
    more = name in ("per second", "submitted per second", "% of the ideal")
    best = scores.best(case.name, name, peers, most=more)
    if mine is None:
        return []
    if best is None:
        return [f"| {case.title}{suffix} | {name} | {_text(mine)} | | |"]
    theirs = scores.spread(case.name, best, name)
    assert theirs is not None
    over, under = (mine.median, theirs.median) if more else (theirs.median, mine.median)
    ratio = f"**{over / under:.2f}**" if under > 0 else "-"
    return [f"| {case.title}{suffix} | {name} | {_text(mine)} | {best}: {_text(theirs)} | {ratio} |"]


def _settings(contestants: Sequence[Contestant]) -> list[str]:
    rows = ["| | installed | settings | what a killed worker held is |", "|---|---|---|---|"]
    for c in contestants:
        installed = ", ".join(each for each in c.requirements if "==" in each) or "this repository"
        rows.append(f"| {c.name} | {installed} | {c.settings} | {c.reliable} |")
    return [*rows, ""]


def _case(case: Case, scores: Scores, contestants: Sequence[Contestant]) -> list[str]:
    names = scores.names(case.name)
    if not names:
        return []
    lines = [f"## {case.title}", "", f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for contestant in contestants:
        spreads = [scores.spread(case.name, contestant.name, name) for name in names]
        if any(spreads):
            cells = " | ".join("" if spread is None else _text(spread, wide=True) for spread in spreads)
            lines.append(f"| {contestant.name} | {cells} |")
        elif (case.name, contestant.name) in scores.failures:
            lines.append(f"| {contestant.name} | failed, see below{' |' * len(names)}")
    return [*lines, ""]


def _solo(name: str, title: str, scores: Scores) -> list[str]:
    names = scores.names(name)
    if not names:
        return []
    lines = [f"## {title}", "", f"| | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for who in scores.who(name):
        spreads = [scores.spread(name, who, each) for each in names]
        lines.append(f"| {who} | {' | '.join('' if s is None else _text(s, wide=True) for s in spreads)} |")
    return [*lines, ""]


def _failures(scores: Scores) -> list[str]:
    if not scores.failures:
        return []
    lines = ["## What failed", ""]
    for (case, who), why in scores.failures.items():
        lines += [f"- {who}, {case}: `{' '.join(why.split())[:400]}`"]
    return [*lines, ""]


def _text(spread: Spread, *, wide: bool = False) -> str:
    text = _number(spread.median)
    if wide and spread.least != spread.most:
        text += f" ({_number(spread.least)} to {_number(spread.most)})"
    return text


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
