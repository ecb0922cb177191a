#!/usr/bin/env python3
"""Times `monitorctl backtest` of threshold rules on 90 days of 100 metrics at 5 minutes, reading of the files included.

Usage: scripts/bench_backtest.py MONITORCTL [RUNS]

Writes the catalogue and the recorded series into a temporary folder: a daily rhythm with noise, one datapoint in 64 missing,
and on one day in ten an hour above the threshold. Prints the median, the least and the most of so many runs (default 5) in seconds, and
what a run did. The goal is 3 s.
"""

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

METRICS = 100
DAYS = 90
PERIODS_A_DAY = 288
START = datetime(2026, 1, 1, tzinfo=timezone.utc)

CATALOGUE = """\
service: {name: bench, title: Bench}
defaults: {team: all, period: 5m}
severities:
  SEV1: {description: Down., response: 5m, escalation: 15m, channels: [phone]}
  SEV2: {description: Half., response: 15m, escalation: 30m, channels: [phone]}
  SEV3: {description: Minor., response: 1h, escalation: 2h, channels: [phone]}
  SEV4: {description: Cosmetic., response: 4h, escalation: 8h, channels: [phone]}
channels:
  phone: {kind: pagerduty}
teams:
  all: {title: All, contact: nobody}
"""


def catalogue():
    metrics, rules = ["metrics:"], ["rules:"]
    for number in range(METRICS):
        name = f"Load{number:03}"
        metrics.append(
            f"  {name}: {{category: capacity, description: Load., unit: Percent,"
            " cloudwatch: {namespace: Bench, statistic: Average}}"
        )
        rules.append(
            f"  load-{number:03}: {{metric: {name}, description: Too much load., datapoints: 2 of 3,"
            " warning: {above: 80, severity: medium, clear: 70}}"
        )
    return "\n".join([CATALOGUE, *metrics, *rules, ""])


def write(folder):
    (folder / "catalogue.yaml").write_text(catalogue())
    recorded = folder / "recorded"
    recorded.mkdir()
    chance = random.Random(1)
    stamps = [
        (START + timedelta(minutes=5 * period)).strftime("%Y-%m-%dT%H:%M:%SZ") for period in range(DAYS * PERIODS_A_DAY)
    ]
    for number in range(METRICS):
        lines = ["timestamp,value"]
        for period, stamp in enumerate(stamps):
            if chance.random() < 1 / 64:
                continue
            day, slot = divmod(period, PERIODS_A_DAY)
            load = 40 + 20 * math.sin(slot / PERIODS_A_DAY * math.tau) + chance.uniform(-5, 5)
            if (day + number) % 10 == 0 and 100 <= slot < 112:
                load = 90
            lines.append(f"{stamp},{load:.2f}")
        (recorded / f"Load{number:03}.csv").write_text("\n".join(lines) + "\n")


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1].startswith("-"):
        print(__doc__.strip(), file=sys.stderr if sys.argv[1:] != ["--help"] else sys.stdout)
        return 0 if sys.argv[1:] == ["--help"] else 2
    runs = int(sys.argv[2]) if len(sys.argv) == 3 else 5
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write(folder)
        command = [sys.argv[1], "backtest", "--catalogue", "catalogue.yaml", "--from", "recorded", "--json"]
        times = []
        for _ in range(runs):
            begin = time.perf_counter()
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
            times.append(time.perf_counter() - begin)
        alerts = len(json.loads(done.stdout)["played"]["alerts"])
    print(
        f"{METRICS} metrics x {DAYS} days at 5 min, {runs} runs: median {statistics.median(times):.2f} s,"
        f" least {min(times):.2f} s, most {max(times):.2f} s; {alerts} alerts"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
