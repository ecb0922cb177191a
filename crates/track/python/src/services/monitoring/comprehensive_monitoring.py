"""What a Python application calls to be monitored.

Each call becomes one line of CloudWatch's Embedded Metric Format on standard output. CloudWatch
makes the catalogue's metrics from it, and the same line answers the Logs Insights queries. What is
written equals what the Rust crate ``monitoring-track`` writes for the same call; the crate's tests
compare the two.

Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import logging
import math
import os
import queue
import re
import sys
import threading
import time
import weakref
from decimal import Decimal
from numbers import Real
from typing import Callable, Optional, TextIO

__all__ = ["ComprehensiveMonitoringService", "TrackError"]

logger = logging.getLogger(__name__)

#: How many distinct operations a process publishes under the dimension ``operation``. Those beyond
#: it count in the metrics without a dimension only.
MAX_OPERATIONS = 100
#: How many metrics a process may create from names that the catalogue does not know. A name beyond
#: it is written as a line with properties only.
MAX_UNCATALOGUED_METRICS = 50
#: How many lines wait for the output at most. When it is full the oldest is dropped and counted.
QUEUE_CAPACITY = 1024

# Lengths in characters.
MAX_IDENTIFIER_CHARS = 256
MAX_ERROR_CHARS = 1024
MAX_STACK_TRACE_CHARS = 8192
MAX_DIMENSION_CHARS = 255
# The largest magnitude that CloudWatch accepts for a metric value.
LARGEST_VALUE = 2.0**360
# Beyond this a float has no fraction and may not survive as an integer of a JSON reader.
LARGEST_EXACT_INTEGER = 2.0**53

# How long one call waits for its own line to be out. Lambda freezes the process when the handler
# returns, so a line that is only queued could be lost; a stalled output must not hold the caller.
WRITE_WAIT_SECONDS = 0.1
FLUSH_WAIT_SECONDS = 2.0
LOSS_REPORT_INTERVAL_SECONDS = 30.0

# name -> metric, unit (None: CloudWatch has no unit for US dollars)
CATALOGUED = {
    "meal_plan_generated": ("MealPlansGenerated", "Count"),
    "revenue": ("Revenue", None),
    "subscription_started": ("Subscriptions", "Count"),
    "user_active": ("ActiveUsers", "Count"),
    "user_registered": ("SignUps", "Count"),
}
SUBSCRIPTION_EVENTS = frozenset({"revenue", "subscription_started"})
SUBSCRIPTION_TIERS = frozenset({"free", "basic", "premium", "enterprise"})
FAILED_AUTHENTICATION = frozenset(
    {"failed_authentication", "authentication_failed", "failed_login", "login_failed"}
)

_METRIC_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}\Z")
_NAMESPACE_PREFIX = re.compile(r"(?!AWS(/|\Z))[A-Za-z0-9.\-_/#]{1,200}\Z")
_DIMENSION_VALUE = re.compile(r"(?!:)(?! *\Z)[ -~]{1,%d}\Z" % MAX_DIMENSION_CHARS)


class TrackError(ValueError):
    """Why a record was refused. It is returned, not raised: monitoring must not fail the request.

    ``field`` is the argument, ``reason`` one of ``not_finite``, ``out_of_range``, ``invalid_name``
    and ``not_a_number``.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class ComprehensiveMonitoringService:
    """The application's end of the monitoring suite. One for each process is enough.

    Each call returns ``None`` when its line is out, or a :class:`TrackError` when the record was
    refused; it raises nothing. A line waits in a bounded queue for a thread that writes, so that a
    stalled output holds neither the event loop nor, beyond a tenth of a second, the caller.

    :param namespace_prefix: what the three namespaces begin with; the catalogue's by default.
    :param stream: where the lines go; by default what ``sys.stdout`` is when a line is written.
    :param clock: milliseconds since 1970; the system's clock by default.
    :param queue_capacity: how many lines wait for the output at most.
    :raises ValueError: if CloudWatch would not take the namespace prefix.
    """

    def __init__(
        self,
        *,
        namespace_prefix: str = "AI-Nutritionist",
        stream: Optional[TextIO] = None,
        clock: Optional[Callable[[], int]] = None,
        queue_capacity: int = QUEUE_CAPACITY,
    ) -> None:
        if not _NAMESPACE_PREFIX.match(namespace_prefix):
            raise TrackError("namespace_prefix", "invalid_name")
        self._namespace_prefix = namespace_prefix
        self._clock = clock or (lambda: time.time_ns() // 1_000_000)
        self._operations = _DistinctNames("operations", MAX_OPERATIONS)
        self._uncatalogued = _DistinctNames("business metrics", MAX_UNCATALOGUED_METRICS)
        self._writer = _LineWriter(stream, queue_capacity)
        self._refused = 0
        self._reported = (0, 0)
        self._next_loss_report = time.monotonic() + LOSS_REPORT_INTERVAL_SECONDS
        # Also runs when the interpreter exits.
        weakref.finalize(self, self._writer.close)

    async def track_business_metric(
        self,
        name: str,
        value: float = 1,
        *,
        user_id: Optional[str] = None,
        subscription_tier: Optional[str] = None,
        amount: Optional[float] = None,
    ) -> Optional[TrackError]:
        """Writes a business metric.

        :param name: in snake_case: ``meal_plan_generated``, ``revenue``, ``subscription_started``,
            ``user_registered``, ``user_active``, or any other, which becomes a metric in PascalCase.
        :param value: a count, or US dollars for ``revenue``.
        :param user_id: a property of the line, never a dimension.
        :param subscription_tier: ``free``, ``basic``, ``premium`` or ``enterprise``; any other is
            written as ``other``, since the tier is a dimension.
        :param amount: US dollars that go with the event; for ``revenue`` the value unless given.
        """
        return await self._track(
            lambda: self._business_metric(name, value, user_id, subscription_tier, amount)
        )

    async def track_performance(
        self,
        operation: str,
        duration: float,
        success: bool = True,
        cache_hit: Optional[bool] = None,
        *,
        cost: Optional[float] = None,
        user_id: Optional[str] = None,
        error: Optional[str] = None,
        stack_trace: Optional[str] = None,
    ) -> Optional[TrackError]:
        """Writes how an operation went.

        :param operation: a name from a small set, not something with an id in it.
        :param duration: milliseconds, 0 or more.
        :param success: ``ErrorCount`` is 0 or 1, ``level`` is ``INFO`` or ``ERROR``.
        :param cache_hit: whether a cache had the answer; ``None`` if the operation asks no cache.
        :param cost: US dollars.
        :param user_id: a property of the line, never a dimension.
        :param error: written as it is, up to 1024 characters: no secrets.
        :param stack_trace: up to 8192 characters.
        """
        return await self._track(
            lambda: self._performance(
                operation, duration, success, cache_hit, cost, user_id, error, stack_trace
            )
        )

    async def track_security_event(
        self,
        kind: str,
        *,
        user_id: Optional[str] = None,
        source_ip: Optional[str] = None,
    ) -> Optional[TrackError]:
        """Writes a security event.

        :param kind: ``failed_authentication`` (or ``authentication_failed``, ``failed_login``,
            ``login_failed``) counts as a failed authentication too; any other only as an event.
        :param user_id: a property of the line, never a dimension.
        :param source_ip: a property of the line, never a dimension.
        """
        return await self._track(lambda: self._security_event(kind, user_id, source_ip))

    async def flush(self) -> None:
        """Returns when everything tracked so far is written, with a line on what was lost, if
        anything; or after two seconds if the output is stalled."""
        loop = asyncio.get_running_loop()
        # The report goes last, so that it neither takes a waiting line's place nor misses a loss.
        await loop.run_in_executor(None, self._writer.drain, FLUSH_WAIT_SECONDS / 2)
        self._report_losses()
        await loop.run_in_executor(None, self._writer.drain, FLUSH_WAIT_SECONDS / 2)

    @property
    def dropped(self) -> int:
        """Lines dropped since the start: the queue was full, or the output failed."""
        return self._writer.dropped

    @property
    def refused(self) -> int:
        """Records refused with a :class:`TrackError` since the start."""
        return self._refused

    async def _track(self, make_record: Callable[[], _Record]) -> Optional[TrackError]:
        try:
            record = make_record()
        except TrackError as error:
            self._refused += 1
            logger.warning("monitoring record refused: %s", error)
            return error
        if time.monotonic() >= self._next_loss_report:
            self._report_losses()
        await self._writer.write(self._line(record))
        return None

    def _business_metric(self, name, value, user_id, subscription_tier, amount) -> _Record:
        if not isinstance(name, str) or not _METRIC_NAME.match(name):
            raise TrackError("name", "invalid_name")
        value = _number("value", value)
        if amount is not None:
            amount = _number("amount", amount)
        elif name == "revenue":
            amount = value

        record = _Record("Business")
        if name in CATALOGUED:
            metric, unit = CATALOGUED[name]
            record.metric(metric, value, unit)
        else:
            metric = "".join(word[:1].upper() + word[1:] for word in name.split("_"))
            if self._uncatalogued.admit(metric):
                record.metric(metric, value, None)

        record.text("level", "INFO")
        is_subscription = name in SUBSCRIPTION_EVENTS
        record.text("event", "SUBSCRIPTION_EVENT" if is_subscription else name.upper())
        record.text("name", name)
        record.number("value", value)
        record.number("amount", amount)
        record.text("user_id", user_id)
        if subscription_tier is not None:
            record.dimension = "subscription_tier"
            tier = str(subscription_tier).lower()
            record.text("subscription_tier", tier if tier in SUBSCRIPTION_TIERS else "other")
        return record

    def _performance(
        self, operation, duration, success, cache_hit, cost, user_id, error, stack_trace
    ) -> _Record:
        operation = _not_blank("operation", operation)
        duration = _number("duration", duration)
        if duration < 0:
            raise TrackError("duration", "out_of_range")
        if cost is not None:
            cost = _number("cost", cost)

        record = _Record("Application")
        if _DIMENSION_VALUE.match(operation) and self._operations.admit(operation):
            record.dimension = "operation"
        record.metric("RequestCount", 1, "Count")
        record.metric("ErrorCount", 0 if success else 1, "Count")
        record.metric("ResponseTime", duration, "Milliseconds")
        if cache_hit is not None:
            # How many values there are of it is how many look-ups there were.
            record.metric("CacheHits", 1 if cache_hit else 0, "Count")
            record.number("cache_hit", 1 if cache_hit else 0)

        record.text("level", "INFO" if success else "ERROR")
        record.text("operation", operation)
        record.number("response_time", duration)
        record.number("cost", cost)
        record.text("user_id", user_id)
        record.text("error", error, MAX_ERROR_CHARS)
        record.text("stack_trace", stack_trace, MAX_STACK_TRACE_CHARS)
        return record

    def _security_event(self, kind, user_id, source_ip) -> _Record:
        kind = _not_blank("kind", kind)

        record = _Record("Security")
        record.metric("SecurityEvents", 1, "Count")
        if kind in FAILED_AUTHENTICATION:
            record.metric("FailedAuthentications", 1, "Count")

        record.text("level", "WARN")
        record.text("event", "SECURITY_EVENT")
        record.text("kind", kind)
        record.text("user_id", user_id)
        record.text("source_ip", source_ip)
        return record

    def _report_losses(self) -> None:
        self._next_loss_report = time.monotonic() + LOSS_REPORT_INTERVAL_SECONDS
        losses = (self.dropped, self.refused)
        if losses == self._reported:
            return
        record = _Record("Application")
        record.metric("DroppedRecords", losses[0] - self._reported[0], "Count")
        record.metric("RefusedRecords", losses[1] - self._reported[1], "Count")
        record.text("level", "WARN")
        record.text("event", "MONITORING_RECORDS_LOST")
        self._reported = losses
        self._writer.submit(self._line(record))

    def _line(self, record: _Record) -> str:
        return record.line(self._namespace_prefix, self._clock())


class _Record:
    """One line to be written: metrics, and the properties that Logs Insights queries."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.dimension: Optional[str] = None
        self._metrics = []
        self._members = {}

    def metric(self, name: str, value: float, unit: Optional[str]) -> None:
        self._metrics.append({"Name": name, "Unit": unit} if unit else {"Name": name})
        self._members[name] = value

    def number(self, name: str, value: Optional[float]) -> None:
        if value is not None:
            self._members[name] = value

    def text(self, name: str, text, max_chars: int = MAX_IDENTIFIER_CHARS) -> None:
        if text is not None:
            text = _unicode(text)
            self._members[name] = text if len(text) <= max_chars else text[: max_chars - 1] + "…"

    def line(self, namespace_prefix: str, timestamp_ms: int) -> str:
        directive = {
            "Namespace": f"{namespace_prefix}/{self.namespace}",
            # Without a dimension, which is what the catalogue reads, and by the record's own.
            "Dimensions": [[], [self.dimension]] if self.dimension else [[]],
            "Metrics": self._metrics,
        }
        metadata = {"CloudWatchMetrics": [directive], "Timestamp": timestamp_ms}
        return json.dumps({"_aws": metadata, **self._members}, allow_nan=False) + "\n"


class _DistinctNames:
    """The names that this process has used so far, up to a limit."""

    def __init__(self, what: str, limit: int) -> None:
        self._what = what
        self._limit = limit
        self._seen = set()
        self._warned = False
        self._lock = threading.Lock()

    def admit(self, name: str) -> bool:
        with self._lock:
            if name in self._seen:
                return True
            if len(self._seen) < self._limit:
                self._seen.add(name)
                return True
            warn, self._warned = not self._warned, True
        if warn:
            logger.warning(
                "too many distinct %s (%d); %r and further ones get no metric of their own",
                self._what,
                self._limit,
                name,
            )
        return False


class _LineWriter:
    """A bounded queue of lines, and a thread that writes them to the stream one by one."""

    def __init__(self, stream: Optional[TextIO], capacity: int) -> None:
        self._stream = stream
        self._capacity = max(1, capacity)
        self._dropped = 0
        self._begin()
        if hasattr(os, "register_at_fork"):
            writer = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: writer() and writer()._begin())

    def _begin(self) -> None:
        """Starts anew. After a fork the thread is gone, what it waited on is in an unknown state,
        and the queued lines are the parent's to write."""
        self._queue = queue.Queue(self._capacity)
        self._progress = threading.Condition()
        self._submitted = 0
        self._done = 0
        self._stalled = False
        self._thread: Optional[threading.Thread] = None

    @property
    def dropped(self) -> int:
        return self._dropped

    async def write(self, line: str) -> None:
        """Returns when the line is out, or at once if the output has not moved lately."""
        written = self.submit(line)
        if self._stalled:
            return
        waiting = asyncio.wrap_future(written)
        try:
            await asyncio.wait([waiting], timeout=WRITE_WAIT_SECONDS)
            # Until it moves again, nobody else waits for it.
            self._stalled = not written.done()
        finally:
            # The line stays queued; only the notice is no longer wanted, and this event loop may be
            # closed by the time it would come.
            waiting.cancel()

    def submit(self, line: str) -> concurrent.futures.Future:
        """Queues the line, in place of the oldest one if there is no room."""
        written = concurrent.futures.Future()
        with self._progress:
            self._submitted += 1
            self._start()
            while True:
                try:
                    self._queue.put_nowait((line, written))
                    return written
                except queue.Full:
                    self._drop_oldest()

    def drain(self, timeout_seconds: float) -> None:
        """Waits until all lines submitted so far are written or dropped."""
        with self._progress:
            submitted = self._submitted
            self._progress.wait_for(lambda: self._done >= submitted, timeout_seconds)

    def close(self) -> None:
        self.drain(FLUSH_WAIT_SECONDS)
        if self._thread is not None:
            try:
                self._queue.put_nowait(None)
            except queue.Full:
                pass  # The output is stalled; the thread is a daemon and ends with the process.

    def _drop_oldest(self) -> None:
        try:
            oldest = self._queue.get_nowait()
        except queue.Empty:
            return  # The thread was faster.
        if oldest is not None:
            self._dropped += 1
            self._done += 1
            self._progress.notify_all()
            _resolve(oldest[1])

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._run, name="monitoring-track", daemon=True
            )
            self._thread.start()

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            line, written = item
            try:
                stream = self._stream if self._stream is not None else sys.stdout
                # One write, so that no other writer's text gets into the line.
                stream.write(line)
                stream.flush()
                failed = False
            except Exception:  # Whatever the stream raises, the thread has to go on.
                logger.warning("monitoring line not written", exc_info=True)
                failed = True
            with self._progress:
                self._dropped += failed
                self._done += 1
                self._stalled = False
                self._progress.notify_all()
            _resolve(written)


def _resolve(written: concurrent.futures.Future) -> None:
    # Cancelled means that the caller waits no more.
    if written.set_running_or_notify_cancel():
        written.set_result(None)


def _number(field: str, value) -> float:
    """The number as it is written: an integer where it is one, as the crate does."""
    if not isinstance(value, (Real, Decimal)):
        raise TrackError(field, "not_a_number")
    try:
        value = float(value)
    except OverflowError:
        raise TrackError(field, "out_of_range") from None
    except ValueError:  # A signalling NaN.
        raise TrackError(field, "not_finite") from None
    if not math.isfinite(value):
        raise TrackError(field, "not_finite")
    if abs(value) > LARGEST_VALUE:
        raise TrackError(field, "out_of_range")
    return int(value) if value.is_integer() and abs(value) < LARGEST_EXACT_INTEGER else value


def _not_blank(field: str, text) -> str:
    text = "" if text is None else _unicode(text)
    if not text.strip(" \t\n\r\f"):
        raise TrackError(field, "invalid_name")
    return text


def _unicode(text) -> str:
    # A lone surrogate is no character; JSON readers refuse the whole line for it.
    return str(text).encode("utf-8", "replace").decode("utf-8")
