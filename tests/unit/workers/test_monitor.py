"""The monitor: what it is told adds up, what it answers is true, and nobody waits for it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from alsek.core.worker.monitor import prometheus
from alsek.core.worker.monitor.addresses import Address, listen, parse_address
from alsek.core.worker.monitor.channel import Channel
from alsek.core.worker.monitor.count_reports import CountReports
from alsek.core.worker.monitor.endpoints import Endpoints
from alsek.core.worker.monitor.http_server import Answer, serve
from alsek.core.worker.monitor.pool_view import BEAT_WITHIN_MS, STORE_WITHIN_MS, PoolView
from alsek.core.worker.monitor.store_watch import StoreWatch
from alsek.exceptions import BackendUnavailableError, ValidationError
from alsek.storage.backends.history import BUCKETS_MS, bucket
from alsek.storage.backends.memory import MemoryBackend
from alsek.storage.backends.records import HistoryCounts, QueueTally
from tests.unit.workers.fakes import FakeClock

BEAT = {"draining": False, "slots": {"busy": 1, "free": 3, "abandoned": 0}}


def counts(*rows: tuple[str, str, str]) -> list[HistoryCounts]:
    return [HistoryCounts(*row) for row in rows]


@pytest.fixture
def channel() -> Any:
    """A socket pair."""
    made = Channel()
    yield made
    made.close()


@pytest.fixture
def view() -> PoolView:
    """What a monitor knows whose pool and store are well."""
    view = PoolView(FakeClock())
    view.take(BEAT)
    view.on_store()
    return view


class TestAddresses:
    """Ports as users write them."""

    @pytest.mark.parametrize(
        ("given", "address"),
        [
            (9100, ("", 9100)),
            ("9100", ("", 9100)),
            (0, ("", 0)),
            ("127.0.0.1:80", ("127.0.0.1", 80)),
            ("[::1]:80", ("::1", 80)),
            (":80", ("", 80)),
        ],
    )
    def test_a_port_or_a_host_and_a_port(self, given: Any, address: tuple[str, int]) -> None:
        assert parse_address("metrics_port", given) == Address(*address)

    @pytest.mark.parametrize("given", [-1, 65_536, True, "", "x", "host:", "1.5", 1.5, b"80", "host:http"])
    def test_anything_else_is_refused(self, given: Any) -> None:
        with pytest.raises(ValidationError, match=r"metrics_port=.*must be a port"):
            parse_address("metrics_port", given)

    def test_a_port_in_use_is_named(self) -> None:
        """The sentence says which setting, where, and why."""
        with listen("health_port", Address("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(
                ValidationError, match=rf"health_port: can't listen on 127\.0\.0\.1, port {port}: .*in use"
            ):
                listen("health_port", Address("127.0.0.1", port))

    def test_a_host_of_another_machine_is_refused(self) -> None:
        with pytest.raises(ValidationError, match=r"can't listen on 192\.0\.2\.1"):
            listen("health_port", Address("192.0.2.1", 0))

    def test_nothing_stays_bound_if_the_second_port_is_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("alsek.core.worker.monitor.endpoints.check_installed", lambda: None)
        with listen("health_port", Address("127.0.0.1", 0)) as taken:
            free = listen("metrics_port", Address("127.0.0.1", 0))
            port = free.getsockname()[1]
            free.close()
            with pytest.raises(ValidationError):
                Endpoints(Address("127.0.0.1", port), Address("127.0.0.1", taken.getsockname()[1]))
            listen("metrics_port", Address("127.0.0.1", port)).close()

    def test_metrics_need_prometheus_client(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The hint names the extra."""
        monkeypatch.setattr(prometheus, "find_spec", lambda name: None)
        with pytest.raises(ValidationError, match=r"pip install 'alsek-workers\[metrics\]'"):
            Endpoints(Address("127.0.0.1", 0), None)


class TestCounts:
    """What engines count arrives, each count once."""

    def test_what_is_sent_adds_up(self, channel: Channel, view: PoolView) -> None:
        """Over all processes, by queue and task."""
        for reports in (CountReports(channel), CountReports(channel)):
            reports.send(counts(("q", "t", "s:1 o:1"), ("q", "u", "f:2")))
        for _ in range(2):
            told = channel.receive()
            assert told is not None
            view.take(told)
        assert view.totals() == {("q", "t"): {"s": 2, "o": 2}, ("q", "u"): {"f": 4}}

    def test_what_finds_no_room_is_sent_later(self, channel: Channel, view: PoolView) -> None:
        """A monitor that hangs makes nobody wait, and loses no count."""
        reports = CountReports(channel)
        sent = 0
        while not reports.unsent:
            sent += 1
            reports.send(counts(("q", "t", "s:1")))
        for _ in range(5):
            sent += 1
            reports.send(counts(("q", "t", "s:1")))
        assert list(reports.unsent.values()) == ["s:6"]
        channel.reader.setblocking(False)
        while view.totals().get(("q", "t"), {}).get("s") != sent:
            told = channel.receive()
            assert told is not None
            view.take(told)
            reports.send()
        assert reports.unsent == {}

    def test_a_closed_monitor_makes_nobody_fail(self, channel: Channel) -> None:
        channel.reader.close()
        reports = CountReports(channel)
        reports.send(counts(("q", "t", "s:1")))
        assert len(reports.unsent) == 1

    def test_many_tasks_go_in_pieces(self, channel: Channel, view: PoolView) -> None:
        """Whatever their names are: none is too large for a datagram."""
        names = [f"{'ö' * 1_500}{number}" for number in range(3)] + [f"task {n}" for n in range(1_000)]
        reports = CountReports(channel)
        reports.send(counts(*(("q", name, "s:1") for name in names)))
        channel.reader.setblocking(False)
        while True:
            try:
                told = channel.receive()
            except BlockingIOError:
                break
            assert told is not None
            view.take(told)
            reports.send()
        assert reports.unsent == {}
        assert sum(each["s"] for each in view.totals().values()) == len(names)

    def test_what_is_no_datagram_of_the_pools_is_ignored(self, channel: Channel) -> None:
        for junk in (b"", b"\xff", b"[1]", b"{"):
            channel.writer.send(junk)
            assert channel.receive() is None


class TestHealth:
    """Alive while the supervisor is; ready while messages can be taken."""

    def test_all_is_well(self, view: PoolView) -> None:
        assert (view.why_not_alive(), view.why_not_ready()) == ("", "")

    def test_a_supervisor_that_is_silent_is_not_alive(self) -> None:
        """Nor is such a pool ready."""
        clock = FakeClock()
        view = PoolView(clock)
        view.take(BEAT)
        clock.now += BEAT_WITHIN_MS
        view.on_store()
        assert view.why_not_alive() == view.why_not_ready() == "the supervisor has not been heard of for 10 s"
        view.take(BEAT)
        assert (view.why_not_alive(), view.why_not_ready()) == ("", "")

    def test_a_pool_that_drains_is_alive_and_not_ready(self, view: PoolView) -> None:
        view.take({**BEAT, "draining": True})
        assert (view.why_not_alive(), view.why_not_ready()) == ("", "the pool is stopping")

    def test_before_the_store_has_answered_the_pool_is_not_ready(self) -> None:
        view = PoolView(FakeClock())
        view.take(BEAT)
        assert view.why_not_ready() == "the store has not been asked yet"

    def test_a_store_that_is_away_leaves_its_queues_out(self, view: PoolView) -> None:
        """What they held is not known; it comes back with the store."""
        view.on_tallies([QueueTally("q", 1, 2, 3, 4)])
        view.on_store("it is away")
        assert (view.why_not_alive(), view.why_not_ready(), view.tallies) == ("", "it is away", ())
        view.on_store()
        assert (view.why_not_ready(), len(view.tallies)) == ("", 1)

    def test_a_queue_that_has_become_empty_holds_nothing(self, view: PoolView) -> None:
        """A value that is not there is none: 0 is said of what was seen, also of what was counted alone."""
        view.on_store()
        view.on_tallies([QueueTally("q", 1, 2, 3, 4)])
        view.take({"counts": [["quick", "t", "o:1"]]})
        view.on_tallies([])
        assert view.tallies == [QueueTally("q", 0, 0, 0, 0), QueueTally("quick", 0, 0, 0, 0)]
        view.on_tallies(None)
        assert view.tallies == ()

    def test_a_store_that_hangs_is_away(self) -> None:
        """Its last answer was good, and is too old."""
        clock = FakeClock()
        view = PoolView(clock)
        view.on_store()
        clock.now += STORE_WITHIN_MS
        view.take(BEAT)
        assert view.why_not_ready() == "the store has not answered for 5 s"


class TestStore:
    """The thread that asks the store."""

    def test_it_asks_and_counts(self, view: PoolView) -> None:
        backend = MemoryBackend()
        StoreWatch(backend, ("q",), view, counts=True).look()
        assert view.why_not_ready() == ""
        assert [tally.queue for tally in view.tallies] == ["q"]

    @pytest.mark.parametrize("error", [BackendUnavailableError("it is away"), RuntimeError("it is away")])
    def test_whatever_the_store_raises_is_the_reason(
        self, view: PoolView, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backend = MemoryBackend()

        def ping() -> None:
            raise error

        monkeypatch.setattr(backend, "ping", ping)
        StoreWatch(backend, None, view, counts=True).look()
        assert "it is away" in view.why_not_ready()


class TestMetrics:
    """The text that Prometheus reads."""

    def scrape(self, view: PoolView) -> dict[str, float]:
        pytest.importorskip("prometheus_client")
        from prometheus_client.parser import text_string_to_metric_families

        text = prometheus.exposition(view, "")[0].decode()
        return {
            ",".join((sample.name, *(text for _, text in sorted(sample.labels.items())))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def test_every_name_and_label_is_there(self, view: PoolView) -> None:
        """Outcomes that have not been seen are 0, so that rates begin at once."""
        view.take({"counts": [["q", "t", "s:3 o:2 f:1 w0:1 w13:2 wt:250000 d1:3 dt:4500"]]})
        view.on_tallies([QueueTally("q", 1, 2, 3, 4, waiting=5)])
        told = self.scrape(view)
        assert told["alsek_messages_total,succeeded,q,t"] == 2
        assert told["alsek_messages_total,failed,q,t"] == 1
        for outcome in ("retried", "lost", "revoked", "expired"):
            assert told[f"alsek_messages_total,{outcome},q,t"] == 0
        assert told["alsek_message_wait_seconds_count,q,t"] == 3
        assert told["alsek_message_wait_seconds_sum,q,t"] == 0.25
        assert told["alsek_message_run_seconds_count,q,t"] == 3
        assert told["alsek_message_run_seconds_sum,q,t"] == 0.0045
        for state, number in (("ready", 1), ("delayed", 2), ("running", 3), ("dead", 4), ("waiting", 5)):
            assert told[f"alsek_queue_messages,q,{state}"] == number
        for state, number in (("busy", 1), ("free", 3), ("abandoned", 0)):
            assert told[f"alsek_worker_slots,{state}"] == number

    def test_what_is_not_known_is_left_out(self) -> None:
        """Nothing is 0 that may be something else."""
        assert self.scrape(PoolView(FakeClock())) == {}

    def test_buckets_are_cumulative_and_lose_nothing(self) -> None:
        """Each time is within its bound, and all are within the last."""
        times = [0.2, 1, 1.2, 3, 70, 5_000, 10**9]
        numbers: dict[str, int] = {}
        for time in times:
            key = f"d{bucket(time)}"
            numbers[key] = numbers.get(key, 0) + 1
        buckets = prometheus.cumulative(numbers, "d")
        assert buckets[-1] == ("+Inf", len(times))
        for bound, passed in buckets[:-1]:
            if float(bound) * 1000 < BUCKETS_MS[-2]:
                assert passed == sum(time <= float(bound) * 1000 for time in times), bound

    def test_label_values_are_escaped(self, view: PoolView) -> None:
        view.take({"counts": [['q"\\', "ö", "o:1"]]})
        assert any('q"\\' in name for name in self.scrape(view))


class TestServer:
    """HTTP, over a real socket."""

    @pytest.fixture
    def port(self) -> Iterator[int]:
        listening = socket.create_server(("127.0.0.1", 0))
        ok = Answer(200, b"well\n")  # type: ignore[arg-type]

        def broken(_: str) -> Answer:
            raise RuntimeError("broken")

        server = serve(listening, {"/live": lambda _: ok, "/broken": broken})
        yield listening.getsockname()[1]
        server.shutdown()
        server.server_close()

    def ask(self, port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read()

    def test_pages_and_errors(self, port: int) -> None:
        """A page that fails is a 500, and the next is answered."""
        assert self.ask(port, "/live") == (200, b"well\n")
        assert self.ask(port, "/live?now=1") == (200, b"well\n")
        assert self.ask(port, "/live", "HEAD") == (200, b"")
        assert self.ask(port, "/other")[0] == 404
        assert self.ask(port, "/live", "POST")[0] == 501
        assert self.ask(port, "/broken") == (500, b"RuntimeError('broken')\n")

    def test_a_client_that_sends_nothing_holds_up_nobody(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)):
            assert self.ask(port, "/live")[0] == 200
