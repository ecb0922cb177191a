import json
import threading
import unittest

from src.services.monitoring import circuit_breaker
from src.services.monitoring.circuit_breaker import CircuitBreakers

PATH = "/shop/circuit-breaker/"


def breaker(state, **more):
    return json.dumps({"state": state, "since": "2026-11-23T12:00:00Z", "by": "INC-1/1", **more})


class ParameterStore:
    """What boto3's client answers: pages of two parameters."""

    def __init__(self, **values):
        self.values = values
        self.requests = []
        self.error = None
        self.released = threading.Event()
        self.released.set()

    def get_parameters_by_path(self, **request):
        self.released.wait(10)
        self.requests.append(request)
        if self.error:
            raise self.error
        parameters = [{"Name": PATH + name, "Value": value} for name, value in self.values.items()]
        start = int(request.get("NextToken", 0))
        page = {"Parameters": parameters[start : start + 2]}
        if start + 2 < len(parameters):
            page["NextToken"] = str(start + 2)
        return page


class CircuitBreakersTest(unittest.TestCase):
    def setUp(self):
        self.now = 0.0
        self.store = ParameterStore(model=breaker("open"), payment=breaker("closed"), messages="ajar")
        self.breakers = CircuitBreakers("/shop/circuit-breaker", client=self.store, clock=lambda: self.now)

    def settle(self):
        thread = self.breakers._thread
        if thread is not None:
            thread.join(10)

    def test_no_state_means_closed_and_the_first_call_has_all_read(self):
        self.store.released.clear()
        self.assertTrue(self.breakers.allows("model"), "nobody waits for the read")
        self.store.released.set()
        with self.assertLogs(circuit_breaker.logger, "WARNING"):
            self.settle()
        self.assertFalse(self.breakers.allows("model"))
        for service in ("payment", "messages", "unknown"):
            self.assertTrue(self.breakers.allows(service), service)
        self.assertEqual(self.store.requests, [{"Path": PATH}, {"Path": PATH, "NextToken": "2"}])

    def refreshed(self):
        self.store.values.pop("messages", None)
        self.breakers.refresh()
        self.store.requests.clear()

    def test_one_read_is_relied_on_for_a_minute(self):
        self.refreshed()
        self.store.values["model"] = breaker("closed")
        self.now = 59.9
        self.assertFalse(any(self.breakers.allows("model") for _ in range(1000)))
        self.settle()
        self.assertEqual(self.store.requests, [])
        self.now = 75.1
        self.breakers.allows("model")
        self.settle()
        self.assertTrue(all(self.breakers.allows("model") for _ in range(1000)))
        self.assertEqual(len(self.store.requests), 1)

    def test_a_read_that_fails_keeps_what_was_known_and_is_not_repeated_at_once(self):
        self.refreshed()
        self.store.error = RuntimeError("throttled")
        self.now = 80.0
        with self.assertLogs(circuit_breaker.logger, "WARNING"):
            self.breakers.allows("model")
            self.settle()
        self.assertFalse(any(self.breakers.allows("model") for _ in range(100)))
        self.settle()
        self.assertEqual(len(self.store.requests), 1)

    def test_half_open_lets_a_share_through(self):
        self.store.values = {"model": breaker("half-open", probe_percent=10), "payment": breaker("half-open")}
        self.refreshed()
        allowed = sum(self.breakers.allows("model") for _ in range(10_000))
        self.assertTrue(700 < allowed < 1300, allowed)
        self.assertFalse(any(self.breakers.allows("payment") for _ in range(1000)), "no share is none")


if __name__ == "__main__":
    unittest.main()
