"""What the service of functions does in a second, and how long each execution takes: server and clients on the same processors.

functions.py [--seconds N] [--rounds N] [--json]      called by tests/bench.sh functions; REPLICODE is the program
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAM = os.environ.get("REPLICODE", os.path.join(ROOT, "target/release/replicode"))
BUILD = os.path.join(ROOT, "wasm_programs/build")
# Name, arguments of `fn bench`, what the server is started with, the least that is asked for: a figure, and its name.
ROWS = [
    ("echo, 1 client, request after answer", ["echo", "--pipeline", "1"], [], ("p50_us", 30)),
    ("echo, 1 client, 16 on their way", ["echo"], [], ("per_second", 120_000)),
    ("echo, 10 clients, 16 on their way", ["echo", "--clients", "10"], [], ("per_second", 250_000)),
    ("echo, 10 clients, 16 on their way, frames", ["echo", "--clients", "10", "--binary"], [], ("per_second", 350_000)),
    ("chain of 3, request after answer", ["echo", "--then", "echo,echo", "--pipeline", "1"], [], ("p50_us", 35)),
    ("chain of 3, 16 on their way", ["echo", "--then", "echo,echo"], [], ("per_second", 70_000)),
    ("get_state and set_state, request after answer, --sync never", ["counter-c", "--pipeline", "1", "--input", ""], ["--sync", "never"], ("p50_us", 45)),
    ("get_state and set_state, 16 on their way, --sync never", ["counter-c", "--input", ""], ["--sync", "never"], ("per_second", 100_000)),
    ("reverse of 1 MiB, JSON", ["reverse", "--pipeline", "2", "--input-bytes", str(1 << 20)], [], None),
    ("reverse of 1 MiB, frames", ["reverse", "--pipeline", "2", "--input-bytes", str(1 << 20), "--binary"], [], None),
]


class Server:
    def __init__(self, where, arguments):
        self.path = os.path.join(where, "s")
        command = [PROGRAM, "fn", "serve", "--socket", self.path, "--data", os.path.join(where, "data"), *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.socket(socket.AF_UNIX).connect(self.path)
                break
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("the server has ended")
                time.sleep(0.01)
        for name in ("echo", "reverse", "counter-c"):
            self.ask("load", os.path.join(BUILD, f"fn-{name}.wasm"), "--name", name)

    def ask(self, *arguments):
        done = subprocess.run([PROGRAM, "fn", *arguments, "--socket", self.path, "--json"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def counts(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            private = sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))
        return {"minor_faults": int(fields[7]), "user": int(fields[11]), "system": int(fields[12]), "private_kib": private}

    def stop(self):
        self.process.terminate()
        self.process.wait()


def bare_echo(seconds):
    """The median of a round trip over a socket pair of this kind, between two threads of Python."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    line = b'{"id":1,"op":"ping"}\n'

    def answer():
        while data := theirs.recv(4096):
            theirs.sendall(data)

    threading.Thread(target=answer, daemon=True).start()
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter_ns()
        ours.sendall(line)
        ours.recv(4096)
        taken.append(time.perf_counter_ns() - start)
    ours.close()
    return statistics.median(taken) / 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {}
    for _ in range(options.rounds):
        for name, arguments, serve, _ in ROWS:
            with tempfile.TemporaryDirectory() as where:
                server = Server(where, serve)
                before = server.counts()
                figures = server.ask("bench", *arguments, "--seconds", str(options.seconds))
                after = server.counts()
                executions = max(1, figures["executions"])
                figures["faults_per_execution"] = (after["minor_faults"] - before["minor_faults"]) / executions
                cpu = after["user"] + after["system"] - before["user"] - before["system"]
                figures["kernel_share"] = (after["system"] - before["system"]) / max(1, cpu)
                figures["private_mib"] = after["private_kib"] / 1024
                server.stop()
            results.setdefault(name, []).append(figures)
        with tempfile.TemporaryDirectory() as where:
            server = Server(where, [])
            ping = server.ask("ping")
            server.stop()
        results.setdefault("ping", []).append({**ping, "bare_us": bare_echo(1)})
    if options.json:
        print(json.dumps(results))
        return
    middle = lambda name, figure: statistics.median(result[figure] for result in results[name])
    print(f"{'':62} {'executions/s':>13} {'p50 µs':>8} {'p99 µs':>8} {'at least':>17} {'faults':>7} {'kernel':>7} {'MiB':>5}")
    for name, _, _, least in ROWS:
        wanted = "–" if least is None else f"{least[1]:,}/s" if least[0] == "per_second" else f"{least[1]} µs"
        rate, p50, p99 = (middle(name, figure) for figure in ("per_second", "p50_us", "p99_us"))
        faults, kernel, private = (middle(name, figure) for figure in ("faults_per_execution", "kernel_share", "private_mib"))
        print(f"{name:62} {rate:13,.0f} {p50:8.1f} {p99:8.1f} {wanted:>17} {faults:7.3f} {kernel:7.0%} {private:5.0f}")
        if "1 MiB" in name:
            print(f"{'':62} {rate * 2 * (1 << 20) / 1e9:10.2f} GB/s in and out")
    print(f"{'ping':62} {'':13} {middle('ping', 'p50_us'):8.1f} {middle('ping', 'p99_us'):8.1f} {'15 µs':>17}")
    print(f"{'bare echo between two threads of Python':62} {'':13} {middle('ping', 'bare_us'):8.1f}")


main()
