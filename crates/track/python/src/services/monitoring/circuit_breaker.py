"""Whether a service may be called: the circuit breakers that the monitoring suite opens and closes.

Standard library only, Python 3.9 or later; Parameter Store is read with the client that it is given, or with boto3, which
AWS Lambda's Python runtimes have.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import time
from typing import Callable, Dict, Optional, Tuple

__all__ = ["CircuitBreakers"]

logger = logging.getLogger(__name__)

# How long a state is relied on at least: Parameter Store takes 40 reads a second of a whole account.
FRESH_SECONDS = 60.0
# As much longer at most, so that many processes that began together do not read together.
JITTER_SECONDS = 15.0

STATES = frozenset({"closed", "open", "half-open"})


class CircuitBreakers:
    """The circuit breakers of an application. One for each process is enough.

    :meth:`allows` answers from memory and never waits. When the state is older than a minute, a thread reads all
    breakers for the calls to come. No state yet, a breaker that is not there, and one that cannot be understood mean
    closed: calls are made. A read that fails keeps the last known state. Nothing is raised.

    The role of the application needs ``ssm:GetParametersByPath`` on the path.

    :param path: where the breakers are in Parameter Store.
    :param client: has ``get_parameters_by_path`` as boto3's SSM client; boto3's own by default.
    :param clock: seconds that only grow.
    """

    def __init__(
        self,
        path: str = "/ai-nutritionist/circuit-breaker/",
        *,
        client=None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path.rstrip("/") + "/"
        self._client = client
        self._clock = clock
        self._breakers: Dict[str, Tuple[str, float]] = {}
        self._next_read: Optional[float] = None
        self._begin()
        if hasattr(os, "register_at_fork"):
            # After a fork the thread is gone, and the lock may be held by nobody.
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._thread: Optional[threading.Thread] = None

    def allows(self, service: str) -> bool:
        """Whether the service may be called now. Of the calls to one that is half-open, a share may."""
        self._read_if_due()
        state, percent = self._breakers.get(service, ("closed", 0.0))
        if state == "half-open":
            return random.random() * 100 < percent
        return state == "closed"

    def refresh(self) -> None:
        """Reads all breakers now and waits for it: for the start of an application that wants to know before its first
        call."""
        self._read()

    def _read_if_due(self) -> None:
        with self._lock:
            due = self._next_read is None or self._clock() >= self._next_read
            if not due or self._thread is not None:
                return
            self._thread = threading.Thread(target=self._read, name="circuit-breakers", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # No further thread, or the interpreter is about to end.
                self._thread = None

    def _read(self) -> None:
        try:
            self._breakers = self._read_all()
        except Exception as error:  # Whatever the client raises, the application goes on.
            logger.warning(
                "circuit breakers cannot be read (%s); the last known state is kept", type(error).__name__
            )
        finally:
            with self._lock:
                self._next_read = self._clock() + FRESH_SECONDS + random.random() * JITTER_SECONDS
                self._thread = None

    def _read_all(self) -> Dict[str, Tuple[str, float]]:
        if self._client is None:
            import boto3  # Not there outside of AWS Lambda, unless it was installed.

            self._client = boto3.client("ssm")
        breakers = {}
        page: dict = {}
        while True:
            more = {"NextToken": page["NextToken"]} if page.get("NextToken") else {}
            page = self._client.get_parameters_by_path(Path=self._path, **more)
            for parameter in page.get("Parameters", ()):
                service = parameter["Name"][len(self._path) :]
                breaker = _breaker(parameter["Value"])
                if breaker is None:
                    logger.warning("the circuit breaker of %r cannot be understood; calls are made", service)
                else:
                    breakers[service] = breaker
            if not page.get("NextToken"):
                return breakers


def _breaker(value: str) -> Optional[Tuple[str, float]]:
    try:
        breaker = json.loads(value)
        state, percent = breaker["state"], float(breaker.get("probe_percent") or 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (state, percent) if state in STATES else None
