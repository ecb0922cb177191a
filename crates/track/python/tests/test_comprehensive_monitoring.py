import asyncio
import io
import json
import os
import threading
import time
import unittest
import warnings
from decimal import Decimal
from pathlib import Path

from src.services.monitoring.comprehensive_monitoring import (
    ComprehensiveMonitoringService,
    TrackError,
)
from tests.replay_calls import replay

CALLS = Path(__file__).resolve().parents[2] / "tests" / "calls.json"


def lines_of(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


class StalledStream(io.StringIO):
    """An output that takes nothing until it is released."""

    def __init__(self):
        super().__init__()
        self.released = threading.Event()

    def write(self, text):
        self.released.wait(10)
        return super().write(text)


class BrokenStream(io.StringIO):
    def write(self, text):
        raise OSError("broken pipe")


class ComprehensiveMonitoringServiceTest(unittest.TestCase):
    def setUp(self):
        self.stream = io.StringIO()
        self.monitoring = ComprehensiveMonitoringService(stream=self.stream, clock=lambda: 0)

    def run_quietly(self, coroutine):
        """Refusals and losses are logged, which is not what a test is read for."""
        with self.assertLogs("src.services.monitoring.comprehensive_monitoring", "WARNING") as logs:
            result = asyncio.run(coroutine)
        return result, logs.output

    def test_the_calls_write_what_the_list_says(self):
        fixture = json.loads(CALLS.read_text(encoding="utf-8"))
        monitoring = ComprehensiveMonitoringService(
            stream=self.stream, clock=lambda: fixture["timestamp_ms"]
        )
        refused, _ = self.run_quietly(replay(fixture["calls"], monitoring))

        expected = [call["writes"] for call in fixture["calls"] if "writes" in call]
        self.assertEqual(lines_of(self.stream), expected + [fixture["flush_writes"]])
        self.assertEqual(refused, [call.get("refused") for call in fixture["calls"]])

    def test_a_line_is_out_when_the_call_returns(self):
        async def one_call():
            await self.monitoring.track_performance(operation="plan", duration=1500)
            return len(self.stream.getvalue().splitlines())

        self.assertEqual(asyncio.run(one_call()), 1)

    def test_a_stalled_output_holds_neither_the_loop_nor_the_callers_for_long(self):
        stream = StalledStream()
        monitoring = ComprehensiveMonitoringService(stream=stream, queue_capacity=2)

        async def calls():
            started = time.monotonic()
            for _ in range(10):
                await monitoring.track_security_event(kind="probe")
            return time.monotonic() - started

        self.assertLess(asyncio.run(calls()), 2)
        # One is being written, two wait, seven gave way.
        self.assertEqual(monitoring.dropped, 7)

        stream.released.set()
        asyncio.run(monitoring.flush())
        lines = lines_of(stream)
        reported = [line["DroppedRecords"] for line in lines if "DroppedRecords" in line]
        self.assertEqual(sum("SecurityEvents" in line for line in lines) + monitoring.dropped, 10)
        self.assertEqual(reported, [7])

    def test_a_broken_output_is_counted_and_raises_nothing(self):
        monitoring = ComprehensiveMonitoringService(stream=BrokenStream())
        error, _ = self.run_quietly(monitoring.track_security_event(kind="probe"))
        self.assertIsNone(error)
        self.assertEqual(monitoring.dropped, 1)

    def test_names_outside_the_catalogue_are_bounded_and_warned_of_once(self):
        async def calls():
            for number in range(55):
                await self.monitoring.track_business_metric(name=f"metric_{number}", value=2)

        _, logs = self.run_quietly(calls())
        lines = lines_of(self.stream)
        metrics = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"] for line in lines]
        self.assertEqual(metrics[49], [{"Name": "Metric49"}])
        self.assertEqual(metrics[50:], [[]] * 5)
        self.assertEqual(lines[54]["name"], "metric_54")
        self.assertEqual(lines[54]["value"], 2)
        self.assertEqual(len(logs), 1)

    def test_operations_are_bounded_as_a_dimension(self):
        async def calls():
            for number in range(101):
                await self.monitoring.track_performance(operation=f"op{number}", duration=1)

        self.run_quietly(calls())
        lines = lines_of(self.stream)
        dimensions = [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for line in lines]
        self.assertEqual(dimensions[99], [[], ["operation"]])
        self.assertEqual(dimensions[100], [[]])
        self.assertEqual(lines[100]["RequestCount"], 1)

    def test_long_and_broken_texts_are_made_fit(self):
        asyncio.run(
            self.monitoring.track_performance(
                operation="plan", duration=1, success=False, error="ä" * 2000, user_id="\ud800x"
            )
        )
        [line] = lines_of(self.stream)
        self.assertEqual(line["error"], "ä" * 1023 + "…")
        self.assertEqual(line["user_id"], "?x")

    def test_numbers_of_other_types(self):
        async def calls():
            return [
                await self.monitoring.track_business_metric(name="revenue", value=value)
                for value in (Decimal("9.99"), 10**400, "9.99", None)
            ]

        errors, _ = self.run_quietly(calls())
        self.assertEqual(lines_of(self.stream)[0]["Revenue"], 9.99)
        reasons = [error and error.reason for error in errors]
        self.assertEqual(reasons, [None, "out_of_range", "not_a_number", "not_a_number"])

    def test_calls_from_many_tasks_are_each_one_line(self):
        async def calls():
            await asyncio.gather(
                *(self.monitoring.track_security_event(kind=f"kind{n}") for n in range(200))
            )

        asyncio.run(calls())
        kinds = sorted(line["kind"] for line in lines_of(self.stream))
        self.assertEqual(kinds, sorted(f"kind{n}" for n in range(200)))

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_a_forked_process_writes_its_own_lines(self):
        asyncio.run(self.monitoring.track_security_event(kind="parent"))
        with warnings.catch_warnings():
            # From Python 3.12, of forking with a thread, which is what this is about.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            asyncio.run(self.monitoring.track_security_event(kind="child"))
            kinds = [line["kind"] for line in lines_of(self.stream)]
            os._exit(0 if kinds == ["parent", "child"] else 1)
        _, status = os.waitpid(child, 0)
        self.assertEqual(status, 0)

    def test_another_application_has_its_own_namespaces(self):
        monitoring = ComprehensiveMonitoringService(
            stream=self.stream, namespace_prefix="Bakery"
        )
        asyncio.run(monitoring.track_security_event(kind="probe"))
        [line] = lines_of(self.stream)
        self.assertEqual(line["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Bakery/Security")
        for prefix in ("", "AWS/Lambda", "a b", "x" * 201):
            with self.assertRaises(TrackError):
                ComprehensiveMonitoringService(namespace_prefix=prefix)


if __name__ == "__main__":
    unittest.main()
