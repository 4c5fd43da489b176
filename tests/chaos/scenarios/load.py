"""Nothing breaks, but there is much of it: pools that compete, large payloads, a clock that is wrong."""

from __future__ import annotations

from pathlib import Path

from tests.chaos.environment import Stage
from tests.chaos.scenario import PROCESS, REDIS, SQLITE, THREAD, Scale, scenario
from tests.chaos.verification import Verdict

SKEW = Path(__file__).parents[1] / "skew"


def _never_twice(stage: Stage, verdict: Verdict) -> list[str]:
    return [f"{verdict.again} messages were run again"] if verdict.again else []


@scenario(
    "two pools fight over one queue",
    judged=_never_twice,
    short=((SQLITE, PROCESS), (REDIS, THREAD)),
    faultless=True,
)
def two_pools(stage: Stage, scale: Scale) -> None:
    """One of each kind: nothing is run twice."""
    other = PROCESS if stage.pool_kind == THREAD else THREAD
    stage.pool()
    stage.pool(kind=other)
    for _ in stage.ticks(scale.seconds, 0.25):
        stage.work(scale.pick(15, 40), 3)
    stage.settle(60)


@scenario(
    "payloads and results of 10 MB",
    judged=_never_twice,
    short=((SQLITE, THREAD), (REDIS, PROCESS)),
    faultless=True,
)
def large(stage: Stage, scale: Scale) -> None:
    """Large messages pass whole, both ways, and their leases hold meanwhile."""
    stage.pool(n=2, lease=5.0)
    for n in range(scale.pick(2, 6)):
        text = chr(97 + n) * 10_000_000
        message = stage.play.bulky.generate(args=(text,), submit=False)
        stage.submit(message)
        stage.work(3)
        if stage.play.results.get(message, timeout=60_000, keep=True)["text"] != text:
            stage.problems.append("a large result is not what was returned")
    stage.settle(60)


@scenario(
    "a host whose clock is an hour off",
    stores=(REDIS,),
    judged=_never_twice,
    short=((REDIS, THREAD),),
    faultless=True,
)
def wrong_clock(stage: Stage, scale: Scale) -> None:
    """Two hosts, an hour ahead and an hour behind, and a right one: delays and leases are the server's."""
    for hours in (-1, 0, 1):
        path = {"PYTHONPATH": str(SKEW), "ALSEK_CHAOS_SKEW": str(3600 * hours)} if hours else {}
        stage.pool(n=2, env=path)
    stage.work(scale.pick(10, 40), 1_000)
    delayed = [
        stage.play.work.generate(args=(5,), delay=1_500, submit=False) for _ in range(scale.pick(10, 40))
    ]
    stage.submit(*delayed)
    for _ in stage.ticks(scale.seconds, 0.5):
        stage.work(10, 20)
    stage.settle(60)


@scenario("SQLite: the machine's clock jumps an hour ahead", stores=(SQLITE,), short=((SQLITE, PROCESS),))
def clock_jumps(stage: Stage, scale: Scale) -> None:
    """All leases seem to have ended at once: what runs may run again, and nothing is accepted twice."""
    jump = stage.folder / "jump"
    skewed = {"PYTHONPATH": str(SKEW), "ALSEK_CHAOS_SKEW": "3600", "ALSEK_CHAOS_SKEW_FROM": str(jump)}
    for _ in range(2):
        stage.pool(env=skewed)
    stage.chains(scale.pick(30, 100), 300)
    stage.until_begun(8)
    jump.touch()
    stage.hit()
    stage.settle(60)
