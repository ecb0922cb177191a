"""Makes the calls of the file given as argument; their lines go to standard output, and after them
the reasons of the refused ones, one line of JSON. The Rust crate's tests run it and compare."""

import asyncio
import json
import sys
from pathlib import Path

from src.services.monitoring.comprehensive_monitoring import ComprehensiveMonitoringService

NUMBERS = ("value", "amount", "duration", "cost")


async def replay(calls, monitoring):
    """Makes the calls, then a flush. Returns for each call why it was refused, or None."""
    refused = []
    for call in calls:
        arguments = dict(call["arguments"])
        for name in NUMBERS:
            # JSON has no NaN and no infinity, so the file has them as text.
            if isinstance(arguments.get(name), str):
                arguments[name] = float(arguments[name])
        error = await getattr(monitoring, call["call"])(**arguments)
        refused.append(error.reason if error else None)
    await monitoring.flush()
    return refused


def main():
    fixture = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    monitoring = ComprehensiveMonitoringService(clock=lambda: fixture["timestamp_ms"])
    print(json.dumps(asyncio.run(replay(fixture["calls"], monitoring))))


if __name__ == "__main__":
    main()
