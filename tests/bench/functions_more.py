"""More of what the service of functions does, beside tests/bench/functions.py:

functions_more.py load     loading a module, a start with a thousand of them, memory
functions_more.py peers    a call of a function, beside a process, a process in namespaces of its own, and a module that is run by a command
functions_more.py beside   10 clients of a good function, alone and beside each kind of bad one

Called by tests/bench.sh functions-load, functions-peers, functions-beside; REPLICODE is the program.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../functions"))
import served  # noqa: E402
from served import BUILD, PROGRAM  # noqa: E402
from replicode_fn import Client, Failed, Lost  # noqa: E402


class Server(served.Server):
    def private(self):
        with open(f"/proc/{self.process.pid}/smaps_rollup") as file:
            return sum(int(line.split()[1]) for line in file if line.startswith("Private_Dirty"))

    def bench(self, function, *arguments):
        import json

        command = [PROGRAM, "fn", "bench", function, "--socket", self.path, "--json", *arguments]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def module(name):
    with open(os.path.join(BUILD, f"fn-{name}.wasm"), "rb") as file:
        return file.read()


def other(wasm, number, size):
    """The same with a section of its own, so that it is another module, and padding up to a size."""
    body = bytes([1, 110]) + number.to_bytes(4, "little") + bytes(max(0, size - len(wasm) - 12))
    length, encoded = len(body), b""
    while True:
        encoded += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return wasm + b"\0" + encoded + body


def milliseconds(act):
    start = time.perf_counter()
    act()
    return (time.perf_counter() - start) * 1000


def load():
    json_filter = module("json-filter")
    rows = []
    with tempfile.TemporaryDirectory() as where:
        server = Server(where)
        empty = server.private()
        size = len(json_filter)
        first = [milliseconds(lambda n=n: server.client.load(other(json_filter, n, 0), name=f"f{n}")) for n in range(40)]
        again = [milliseconds(lambda n=n: server.client.load(other(json_filter, n, 0), name=f"f{n}")) for n in range(40)]
        full = server.private()
        rows.append((f"load a module of {size // 1000} KB, first", f"{statistics.median(first):.1f} ms", "50 ms"))
        rows.append(("the same bytes again", f"{statistics.median(again):.1f} ms", "2 ms"))
        rows.append(("private memory of an empty server", f"{empty / 1024:.1f} MiB", "10 MiB"))
        rows.append(("of each module at hand", f"{(full - empty) / 40 / 1024:.2f} MiB", "1 MiB"))
        server.stop()
    with tempfile.TemporaryDirectory() as where:
        server = Server(where)
        echo = module("echo")
        for number in range(1000):
            server.client.load(other(echo, number, 0), name=f"f{number}")
        server.stop()
        server = Server(where)
        listening = (time.perf_counter() - server.began) * 1000
        server.client.execute("f500", b"x")
        answered = (time.perf_counter() - server.began) * 1000
        for number in range(1000):
            server.client.execute(f"f{number}", b"x")
        ready = (time.perf_counter() - server.began) * 1000
        rows.append(("start with 1,000 modules: listening", f"{listening:.0f} ms", ""))
        rows.append(("first answer of one of them", f"{answered:.0f} ms", "50 ms"))
        rows.append(("each of them executed once", f"{ready:.0f} ms", "1500 ms"))
        server.stop()
    for what, found, wanted in rows:
        print(f"{what:50} {found:>12}  {wanted:>10}")


def spawn(command, data):
    """One process that is given bytes and asked for bytes, as cheaply as Python can."""
    done = subprocess.run(command, input=data, capture_output=True, close_fds=False)
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode()}")


def rate(act, seconds=3):
    act()
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        act()
        count += 1
    return count / seconds


def peers():
    data = b"0123456789abcdef"
    with tempfile.TemporaryDirectory() as where:
        server = Server(where)
        server.client.load(os.path.join(BUILD, "fn-echo.wasm"), name="echo")
        rows = [("a function, request after answer, in Python", rate(lambda: server.client.execute("echo", data)))]
        rows.append(("a function, request after answer", server.bench("echo", "--pipeline", "1", "--seconds", "3")["per_second"]))
        server.stop()
    rows.append(("a process (cat)", rate(lambda: spawn(["cat"], data))))
    namespaces = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork"]
    if subprocess.run([*namespaces, "true"], capture_output=True).returncode == 0:
        rows.append(("a process in namespaces of its own (unshare cat)", rate(lambda: spawn([*namespaces, "cat"], data))))
    else:
        print("namespaces are not permitted here: no row for them")
    echo = os.path.join(BUILD, "fn-echo.wasm")
    rows.append(("a module run by a command (fn run)", rate(lambda: spawn([PROGRAM, "fn", "run", echo, "--input", "0123456789abcdef"], b""))))
    best = rows[1][1]
    for what, found in rows:
        print(f"{what:55} {found:10,.0f}/s {best / found:10.1f} × fewer than a function")


def beside():
    bad = {
        "nothing": None,
        "loops": "loop",
        "traps": "trap",
        "memory": "grow 60",
        "output": "flood 15000000",
        "log": "log 700",
        "recursion": "recurse 10000000",
        "calls": "call 16",
    }
    with tempfile.TemporaryDirectory() as where:
        server = Server(where)
        for name in ("echo", "hostile"):
            server.client.load(os.path.join(BUILD, f"fn-{name}.wasm"), name=name)
        alone = None
        print(f"{'beside':12} {'executions/s':>13} {'p50 µs':>9} {'p99 µs':>9}   p99 over that alone")
        for what, text in bad.items():
            over = threading.Event()

            def misbehave(text=text, over=over):
                with Client(server.path, timeout=60) as client:
                    while not over.is_set():
                        try:
                            client.execute("hostile", text, timeout_ms=1000)
                        except (Failed, Lost):
                            pass

            threads = [threading.Thread(target=misbehave) for _ in range(2 if text else 0)]
            for thread in threads:
                thread.start()
            figures = server.bench("echo", "--clients", "10", "--pipeline", "1", "--seconds", "3")
            over.set()
            for thread in threads:
                thread.join()
            alone = alone or figures["p99_us"]
            rate_, p50, p99 = (figures[name] for name in ("per_second", "p50_us", "p99_us"))
            print(f"{what:12} {rate_:13,.0f} {p50:9.1f} {p99:9.1f}   {p99 / alone:.1f} ×", flush=True)
        server.stop()


{"load": load, "peers": peers, "beside": beside}[sys.argv[1]]()
