"""Run Alsek and its peers side by side, and write benchmarks/RESULTS.md and RESULTS.svg.

    hatch run bench --rounds 5                       # everything; by default three rounds: about an hour
    hatch run bench --quick --peers Huey --cases submit drain

Each round takes each contestant in turn, in another order each time, on a Redis of its own; a figure is the median of
the rounds, with the least and the most. What takes long or has no target is measured in the first round only, some of
it of the fastest peers alone. A peer that another peer was twice as good as in a case's first round is not measured
there again. The peers' environments are made from PyPI by the first run, in .hatch/peers.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from benchmarks import peer_environments as environments
from benchmarks import report
from benchmarks.alsek_only import SOLO
from benchmarks.cases import CASES, FULL, QUICK, Case, Sizes
from benchmarks.machine import Machine
from benchmarks.peers import CONTESTANTS, Contestant
from benchmarks.results import Scores
from benchmarks.round import RoundError, ring

HERE = Path(__file__).parent


def main() -> None:
    """As the command line says."""
    # So that servers and workers are ended with it.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    options = _options()
    sizes = QUICK if options.quick else FULL
    if options.messages:
        sizes = replace(sizes, messages=options.messages)
    chosen = [c for c in CONTESTANTS if c.ours or options.peers is None or _named(c, options.peers)]
    if options.no_sqlite:
        chosen = [c for c in chosen if c.store == "redis"]
    cases = [case for case in CASES if options.cases is None or case.name in options.cases]
    machine, scores = Machine.now(), Scores()
    if options.onto:
        scores.load(options.onto)
    earlier, only = len(scores.runs), f" of {', '.join(options.cases)}" if options.cases else ""
    begun = f"begun {machine.began} at load {machine.loads[0]:.1f}"
    if options.after:
        begun = f"after {options.after}, {begun}"
    programs = _install(chosen, scores)

    def save(done: str) -> None:
        # After each case: an end half-way loses little.
        told = f"{done} of {options.rounds} rounds, {sizes.messages:,} messages{only}, {begun}"
        scores.runs[earlier:] = [told]
        report.write(options.output, scores, CONTESTANTS, CASES, machine, "; then ".join(scores.runs))
        scores.save(options.output.with_suffix(".json"))

    for round_ in range(options.after, options.rounds):
        for case in (case for case in cases if not (round_ and case.once)):
            able = [c for c in chosen if c.name in programs and case.takes(c)]
            if round_:
                able = [c for c in able if c.ours or not _far_behind(case, c, able, scores)]
            turn = round_ % max(1, len(able))
            for contestant in able[turn:] + able[:turn]:
                _measure(case, contestant, programs[contestant.name], sizes, scores, round_)
            save(f"{round_} and a part")
        for name, run in SOLO.items():
            if options.cases is None or name in options.cases:
                _tell(f"round {round_ + 1}  {name}")
                run(sizes, scores, round_)
        machine.look()
        save(str(round_ + 1))
    _tell(f"written: {options.output}")


def _far_behind(case: Case, contestant: Contestant, able: list[Contestant], scores: Scores) -> bool:
    peers = [c.name for c in able if c.store == contestant.store and not c.ours]
    return scores.behind(case.name, contestant.name, case.main, peers, most=case.more_is_better)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="hatch run bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few messages: to try it, not to quote it")
    parser.add_argument(
        "--messages", type=int, help="in each drain and submission, in place of 10,000 (quick: 2,000)"
    )
    parser.add_argument("--rounds", type=int, help="three, or with --quick one")
    parser.add_argument("--peers", nargs="*", help="only these beside Alsek: " + ", ".join(_peers()))
    names = [case.name for case in CASES] + list(SOLO)
    parser.add_argument(
        "--cases", nargs="+", choices=names, metavar="CASE", help="only these: " + ", ".join(names)
    )
    parser.add_argument(
        "--onto", type=Path, help="the .json of an earlier run, whose figures are reported too"
    )
    parser.add_argument("--after", type=int, default=0, help="with --onto: go on after so many rounds of it")
    parser.add_argument("--no-sqlite", action="store_true", help="on Redis only")
    parser.add_argument(
        "--output", type=Path, help="by default RESULTS.md here; of a quick or partial run, a file in .hatch"
    )
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 3)
    partial = options.quick or options.peers is not None or options.cases or options.no_sqlite
    if options.output is None:
        options.output = (environments.CACHE.parent / "bench" if partial else HERE) / "RESULTS.md"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    return options


def _peers() -> list[str]:
    return sorted({c.library for c in CONTESTANTS if not c.ours})


def _named(contestant: Contestant, names: list[str]) -> bool:
    return contestant.library in {name.lower() for name in names}


def _install(chosen: list[Contestant], scores: Scores) -> dict[str, Path]:
    programs = {}
    for contestant in chosen:
        name, requirements = contestant.library, contestant.requirements
        if contestant.ours:
            name, requirements = "alsek", environments.OURS
        try:
            programs[contestant.name] = environments.prepare(name, requirements)
        except environments.InstallError as error:
            scores.fail("install", contestant.name, str(error))
            _tell(f"{contestant.name}: {error}")
    return programs


def _measure(
    case: Case, contestant: Contestant, programs: Path, sizes: Sizes, scores: Scores, round_: int
) -> None:
    began = time.monotonic()
    try:
        with ring(
            contestant, programs, keep=case.keep, coroutines=case.coroutines, queues=case.queues
        ) as made:
            figures = case.run(made, sizes)
    except (RoundError, OSError, ValueError) as error:
        scores.fail(case.name, contestant.name, str(error))
        _tell(f"round {round_ + 1}  {case.name:14} {contestant.name:16} FAILED: {error}")
        return
    scores.add(case.name, contestant.name, figures)
    shown = ", ".join(f"{name} {value:,.4g}" for name, value in figures.items())
    _tell(
        f"round {round_ + 1}  {case.name:14} {contestant.name:16} {shown}  ({time.monotonic() - began:.0f} s)"
    )


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
