#!/usr/bin/env python3
"""Measures the functions' bootstraps on a fake Lambda: start, first invocation, peak memory, calls of a cycle.

scripts/bench.sh calls it and prints what it finds. Standard library only; both servers listen on loopback, and every
process that it starts is stopped.
"""

import argparse
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ARN = "arn:aws:lambda:us-east-1:123456789012:function:x"
NEXT = "/2018-06-01/runtime/invocation/next"
# The message of the system that this suite replaces.
MESSAGE = {"metric_name": "ErrorRate", "current_value": 15.0, "threshold": 10.0}
EVENTS = {
    "hello": {"name": "Lambda"},
    "monitoring": {},
    "incident-response": {"Records": [{"Sns": {"Message": json.dumps(MESSAGE)}}]},
}
# SNS's answer to Publish.
PUBLISHED = (
    b'<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>bench</MessageId>'
    b"</PublishResult><ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata></PublishResponse>"
)
# Far above what is measured: only a bootstrap that hangs meets it.
PATIENCE_SECONDS = 60


class Broken(Exception):
    """A bootstrap that did not do what it is measured for."""


class Server(ThreadingHTTPServer):
    """A server on a free port of loopback, in a thread of its own."""

    daemon_threads = True

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.address = f"127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        # A stopped bootstrap breaks its connections, which says nothing.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open and quiet."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes; with Nagle's algorithm the second waits for the other side's delayed
    # acknowledgement, 40 ms that would be counted as the bootstrap's.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class RuntimeApi(Handler):
    """The Lambda Runtime API: hands out one event, and tells when the bootstrap came for it and when it answered."""

    def do_GET(self):
        if self.path != NEXT:
            return self.answer(404)
        self.server.reports.put(("next", time.perf_counter(), None))
        event = self.server.events.get()
        if event is None:
            return self.answer(500)
        deadline = int((time.time() + PATIENCE_SECONDS) * 1000)
        headers = [
            ("Content-Type", "application/json"),
            ("Lambda-Runtime-Aws-Request-Id", "6bc28136-xmpl-4365-b021-0ce6b2e64ab0"),
            ("Lambda-Runtime-Deadline-Ms", str(deadline)),
            ("Lambda-Runtime-Invoked-Function-Arn", ARN),
        ]
        self.answer(200, json.dumps(event).encode(), headers)

    def do_POST(self):
        body = self.body()
        kind = self.path.rsplit("/", 1)[-1]
        self.server.reports.put((kind, time.perf_counter(), body))
        self.answer(202, b'{"status":"OK"}', [("Content-Type", "application/json")])


class Stub(Handler):
    """AWS, Slack and PagerDuty with nothing in them; counts what it is asked.

    What a transaction puts is kept until one deletes it, so that a new incident's effects are found and delivered, as in the first useful
    invocation on AWS.
    """

    def do_POST(self):
        body = self.body()
        target = self.headers.get("X-Amz-Target", "")
        if target.startswith("DynamoDB"):
            call = target.rsplit(".", 1)[-1]
            self.server.calls["DynamoDB " + call] += 1
            answer = json.dumps(self.table(call, json.loads(body))).encode()
            return self.answer(200, answer, [("Content-Type", "application/x-amz-json-1.0")])
        if self.headers.get("Smithy-Protocol") == "rpc-v2-cbor":
            call = self.path.rsplit("/", 1)[-1]
            self.server.calls["CloudWatch " + call] += 1
            headers = [("Smithy-Protocol", "rpc-v2-cbor"), ("Content-Type", "application/cbor")]
            return self.answer(200, metric_data(body) if call == "GetMetricData" else cbor({}), headers)
        if target:
            self.server.calls[target.rsplit(".", 1)[-1]] += 1
            return self.answer(200, b"{}", [("Content-Type", "application/x-amz-json-1.1")])
        if body.startswith(b"Action=Publish&"):
            self.server.calls["SNS Publish"] += 1
            return self.answer(200, PUBLISHED, [("Content-Type", "text/xml")])
        self.server.calls["channel " + self.path] += 1
        if self.path == "/pagerduty":
            body = b'{"status":"success","message":"Event processed","dedup_key":"x"}'
            return self.answer(202, body, [("Content-Type", "application/json")])
        return self.answer(200, b"ok")

    def table(self, call, request):
        puts = self.server.puts
        if call == "TransactWriteItems":
            for write in request["TransactItems"]:
                if "Put" in write:
                    puts.append(write["Put"])
                if "Delete" in write:
                    table, key = write["Delete"]["TableName"], write["Delete"]["Key"]
                    puts[:] = [put for put in puts if put["TableName"] != table or not key.items() <= put["Item"].items()]
        if call == "GetItem":
            table, key = request["TableName"], request["Key"]
            found = [put["Item"] for put in puts if put["TableName"] == table and key.items() <= put["Item"].items()]
            return {"Item": found[-1]} if found else {}
        if call == "Query":
            # The one query that is about what was just written: the effects of an incident that are not done.
            pending = request.get("ExpressionAttributeValues", {}).get(":pending", {}).get("S")
            entries = [(put["Item"].get("entry", {}).get("S", ""), put["Item"]) for put in puts]
            found = [item for entry, item in entries if pending and entry.startswith(pending)]
            return {"Items": found, "Count": len(found), "ScannedCount": len(found)}
        return {}


def cbor(value):
    """The few kinds of CBOR (RFC 8949) that an answer here is made of."""

    def head(major, number):
        if number < 24:
            return bytes([major << 5 | number])
        return bytes([major << 5 | 25]) + number.to_bytes(2, "big")

    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())


def metric_data(request):
    """An answer to GetMetricData in which every query succeeded and found no datapoints."""
    # Every query has one `Id`, and nothing else in the request has that key: reading all of CBOR is not needed.
    count = request.count(cbor("Id"))
    results = [
        {"Id": f"q{number}", "StatusCode": "Complete", "Timestamps": [], "Values": []} for number in range(count)
    ]
    return cbor({"MetricDataResults": results})


class Lambda:
    """The fake Lambda, and the stub that its functions find AWS at."""

    def __init__(self):
        self.runtime = Server(RuntimeApi)
        self.stub = Server(Stub)
        self.stub.calls, self.stub.puts = Counter(), []

    def run(self, name, bootstrap, catalogue=None):
        """Starts a bootstrap, hands one event out and returns what was measured."""
        # New ones for each run: what a stopped bootstrap left behind is not the next one's.
        self.runtime.reports, self.runtime.events = queue.Queue(), queue.Queue()
        self.stub.calls, self.stub.puts = Counter(), []
        url = f"http://{self.stub.address}"
        # None of the caller's settings: they would be measured, or lead to the real AWS.
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": "/nonexistent",
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench",
            "AWS_ENDPOINT_URL": url,
            "SLACK_WEBHOOK_URL": f"{url}/slack",
            "PAGERDUTY_EVENTS_URL": f"{url}/pagerduty",
            "PAGERDUTY_INTEGRATION_KEY": "bench",
        }
        if catalogue:
            environment["MONITORING_CATALOGUE"] = str(catalogue)
        with tempfile.TemporaryFile() as output:
            begin = time.perf_counter()
            process = subprocess.Popen(
                [bootstrap], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            try:
                polled, _ = self.await_report(name, process, "next")
                busy = processor_ms(process.pid)
                handed_out = time.perf_counter()
                self.runtime.events.put(EVENTS[name])
                answered, body = self.await_report(name, process, "response")
                # The bootstrap is idle once it comes for the next event, and its last frees are done.
                self.await_report(name, process, "next")
                return {
                    "start_ms": (polled - begin) * 1000,
                    "start_processor_ms": busy,
                    "invocation_ms": (answered - handed_out) * 1000,
                    "peak_mb": peak_memory(process.pid),
                    "calls": dict(self.stub.calls),
                    "response": json.loads(body),
                }
            except Broken as error:
                output.seek(0)
                raise Broken(f"{error}\n{output.read().decode(errors='replace')[-5000:]}") from None
            finally:
                process.kill()
                process.wait()
                # Ends the thread that still holds the stopped bootstrap's request.
                self.runtime.events.put(None)

    def await_report(self, name, process, expected):
        give_up = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < give_up:
            try:
                # Polled, so that a bootstrap that ends is noticed at once.
                kind, at, body = self.runtime.reports.get(timeout=0.1)
            except queue.Empty:
                if process.poll() is not None:
                    raise Broken(f"{name} ended by itself with exit code {process.returncode}; its output:") from None
                continue
            if kind != expected:
                raise Broken(f"{name} reported '{kind}' instead of '{expected}': {(body or b'').decode()}; its output:")
            return at, body
        raise Broken(f"{name} did not come to '{expected}' within {PATIENCE_SECONDS} s; its output:")


def peak_memory(pid):
    """The most physical memory that a process has had, in MB, or None where there is no /proc."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in status.splitlines() if line.startswith("VmHWM")), None)


def processor_ms(pid):
    """How long the threads of a process have run, in ms, or None where there is no /proc."""
    try:
        tasks = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    except OSError:
        return None
    return sum(int(task.split()[0]) for task in tasks) / 1e6 if tasks else None


def generated_catalogue(base, count):
    """A resolved catalogue of `count` CloudWatch metrics, each with a rule that has nothing to say of missing data."""
    catalogue = json.loads(base.read_text())
    metrics, rules = {}, {}
    for number in range(count):
        name = f"Metric{number:03}"
        metrics[name] = {
            "name": name,
            "category": "application",
            "description": "One of many.",
            "unit": "Count",
            "period_seconds": 60,
            "source": {"kind": "cloudwatch", "namespace": "Bench", "metric_name": name, "statistic": "Sum"},
            "dimensions": [{}],
        }
        level = {"name": "critical", "alert": "high", "incident": "SEV2"}
        tier = {"level": level, "comparison": "above", "threshold": 10.0, "clear": 10.0}
        rules[f"metric-{number:03}"] = {
            "name": f"metric-{number:03}",
            "metric": name,
            "description": "Too many.",
            "engine": "service",
            "condition": {"kind": "threshold", "tiers": [tier]},
            "evaluation": {"periods": 5, "datapoints": 3, "missing": "notBreaching", "clear_after": 1},
            "group": name,
            "group_by": [],
            "runbook": None,
            "min_volume": None,
            "active_hours": None,
        }
    return json.dumps(catalogue | {"metrics": metrics, "rules": rules, "alarms": []})


def count_calls(fake, bootstrap, base, count):
    """The calls of one cycle over `count` metrics."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.json"
        path.write_text(generated_catalogue(base, count))
        run = fake.run("monitoring", bootstrap, path)
    report = run["response"]
    # Otherwise nothing was counted but failures, or the catalogue was refused and the embedded one used.
    if report["evaluations"] != count or report["failures"]:
        raise Broken(f"a cycle over {count} metrics evaluated {report['evaluations']} rules: {report['failures']}")
    calls = run["calls"]
    return {
        "metrics": count,
        "minute": report["at"][:16],
        "get_metric_data": calls.get("CloudWatch GetMetricData", 0),
        "dynamodb": sum(number for call, number in calls.items() if call.startswith("DynamoDB ")),
        "peak_mb": run["peak_mb"],
    }


def count_cycles(fake, bootstrap, base):
    """The calls of a cycle over 50 metrics and of one over 500, in the same minute."""
    while True:
        cycles = [count_calls(fake, bootstrap, base, count) for count in (50, 500)]
        # Every fifth minute has calls of its own, to compare alerts with incidents.
        if len({cycle["minute"] for cycle in cycles}) == 1:
            return cycles


def spread(values, unit, digits=1):
    """Median and range as text, or None of figures that this system does not give."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    least, median, most = (f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{median} {unit} ({least}-{most})"


def row(figure, measured, goal="", met=None):
    """A row of the table: bench.sh reads the fields apart at the tabs."""
    if measured is None:
        measured, met = "not measured", None
    verdict = {True: "ok", False: "over", None: ""}[met]
    print(figure, measured, goal, verdict, sep="\t")


def print_rows(runs, cycles):
    hello = runs["hello"]
    row("start to first poll, hello world", spread([run["start_ms"] for run in hello], "ms"))
    row("  processor time", spread([run["start_processor_ms"] for run in hello], "ms", 2))
    for name in [name for name in runs if name != "hello"]:
        measured = runs[name]
        row(f"start to first poll, {name}", spread([run["start_ms"] for run in measured], "ms"))
        # The two starts of one round are neighbours in time, so their ratio has less of the noise than either.
        ratios = [run["start_ms"] / first["start_ms"] for run, first in zip(measured, hello, strict=True)]
        row("  against hello world", spread(ratios, "times", 2), "<= 3", statistics.median(ratios) <= 3)
        row("  processor time", spread([run["start_processor_ms"] for run in measured], "ms", 2))
        row(f"first useful invocation, {name}", spread([run["invocation_ms"] for run in measured], "ms"))
    for name, measured in runs.items():
        peaks = [run["peak_mb"] for run in measured]
        limit = None if name == "hello" or None in peaks else statistics.median(peaks) < 20
        name = "hello world" if name == "hello" else name
        row(f"peak memory, {name}", spread(peaks, "MB"), "" if name == "hello world" else "< 20 MB", limit)
    few, many = cycles
    peak = many["peak_mb"]
    row(f"peak memory, monitoring, {many['metrics']} metrics", peak and f"{peak:.1f} MB", "< 20 MB", peak and peak < 20)
    calls = many["get_metric_data"]
    row(f"GetMetricData calls, {many['metrics']} metrics", calls, "1", calls == 1)
    both = f"{many['dynamodb']} ({few['metrics']} metrics: {few['dynamodb']})"
    row(f"DynamoDB calls, {many['metrics']} metrics", both, "as for few", many["dynamodb"] <= few["dynamodb"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=25, help="starts of each bootstrap (default: 25)")
    parser.add_argument("--catalogue", type=Path, required=True, help="a resolved catalogue, to generate others from")
    parser.add_argument("--hello", type=Path, required=True, help="the hello world's bootstrap")
    parser.add_argument("--monitoring", type=Path, required=True, help="the monitoring function's bootstrap")
    parser.add_argument("--incident-response", type=Path, required=True, help="the incident-response function's")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs needs a number of at least 1")
    bootstraps = {name: getattr(arguments, name.replace("-", "_")).resolve() for name in EVENTS}

    fake = Lambda()
    runs = {name: [] for name in bootstraps}
    try:
        for number in range(arguments.runs + 1):
            # In turn, so that all see the same noise of the machine.
            for name, bootstrap in bootstraps.items():
                run = fake.run(name, bootstrap)
                # The first start reads the file from the disk, which Lambda does in its own way.
                if number:
                    runs[name].append(run)
        for run in runs["incident-response"]:
            delivered = {"channel /slack", "channel /pagerduty"} & run["calls"].keys()
            if not run["response"]["incidents"] or not delivered:
                raise Broken(f"incident-response told nobody of an incident: {run['response']}, {run['calls']}")
        cycles = count_cycles(fake, bootstraps["monitoring"], arguments.catalogue)
    except (Broken, OSError) as error:
        sys.exit(f"bench_start.py: {error}")
    print_rows(runs, cycles)


if __name__ == "__main__":
    # A stopped benchmark stops its bootstrap too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
