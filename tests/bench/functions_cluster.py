"""Functions in the log of three nodes: `tests/bench.sh functions-cluster [--seconds N] [--rounds N] [--json]`.

A cell of three nodes on this machine has the program kv and contracts, and a server of functions stands beside each node. Measured in turn,
in one run: SETs of kv by one client, executions by one client, and executions by 64 clients spread over the servers, with so many on their way
each. Every answer is looked at by whoever measures it.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REPLICODE = os.environ.get("REPLICODE", f"{ROOT}/target/release/replicode")
LOAD = f"{ROOT}/target/release/load"
CLIENTS = 64


def replicode(*arguments):
    done = subprocess.run([REPLICODE, *arguments], capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"replicode {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def until(what, attempt):
    end = time.monotonic() + 60
    while not attempt():
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.1)


def connects(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def bench(path, function, clients, pipeline, seconds):
    return json.loads(replicode("fn", "bench", function, "--input", "1", "--socket", path, "--clients", str(clients), "--pipeline", str(pipeline), "--seconds", str(seconds), "--json"))


def kv(port, seconds):
    done = subprocess.run([LOAD, str(port), "redis-set", "--clients", "1", "--seconds", str(seconds), "--json"], capture_output=True, text=True, timeout=120)
    if done.returncode:
        sys.exit(f"load: {done.stderr}")
    return json.loads(done.stdout)


def measure(arguments, sockets, port):
    rows = {}
    for name, function in [("echo", "echo"), ("counter, one key", "counter")]:
        with ThreadPoolExecutor() as pool:
            share = [CLIENTS // 3 + (at < CLIENTS % 3) for at in range(3)]
            jobs = [pool.submit(bench, path, function, clients, arguments.pipeline, arguments.seconds) for path, clients in zip(sockets, share)]
            all_of = [job.result() for job in jobs]
        rows[f"{name}: {CLIENTS} clients, executions/s"] = sum(one["per_second"] for one in all_of)
        rows[f"{name}: {CLIENTS} clients, p50 ms"] = statistics.median(one["p50_us"] for one in all_of) / 1000
    one = bench(sockets[0], "echo", 1, 1, arguments.seconds)
    rows["echo: one client, p50 ms"], rows["echo: one client, p99 ms"] = one["p50_us"] / 1000, one["p99_us"] / 1000
    rows["kv: one client, p50 ms"] = kv(port, arguments.seconds)["p50_ms"]
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipeline", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as tmp:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        started = []

        def start(*command):
            log = open(f"{tmp}/{len(started)}.log", "w")
            started.append(subprocess.Popen([REPLICODE, *command], stdout=log, stderr=log))

        try:
            cell = f"{tmp}/cell"
            start("up", f"{ROOT}/wasm_programs/build/kv.wasm", "--nodes", "3", "--contracts", "--publish", f"{port}:6379", "--data", cell)
            sockets = [f"{tmp}/s{node}" for node in (1, 2, 3)]
            for node, path in zip((1, 2, 3), sockets):
                until("the node", lambda: os.path.exists(f"{cell}/node-{node}/functions.sock") and connects(f"{cell}/node-{node}/functions.sock"))
                start("fn", "serve", "--node", f"{cell}/node-{node}", "--socket", path)
                until("the server", lambda: connects(path))
            for name in ("echo", "counter"):
                replicode("fn", "load", f"{ROOT}/wasm_programs/build/fn-{name}.wasm", "--name", name, "--socket", sockets[0])
            rounds = [measure(arguments, sockets, port) for _ in range(arguments.rounds)]
        finally:
            for process in reversed(started):
                process.send_signal(signal.SIGINT)
                process.wait(timeout=60)
    rows = {name: statistics.median(round_of[name] for round_of in rounds) for name in rounds[0]}
    if arguments.json:
        print(json.dumps({"rows": rows, "rounds": rounds, "pipeline": arguments.pipeline}))
        return
    for name, value in rows.items():
        print(f"{name:44} {value:12.3f}")


main()
