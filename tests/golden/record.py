#!/usr/bin/env python3
"""Runs every program of wasm_programs/programs.list, and kv on three nodes that are killed, and adds what they did to the
golden recordings. Recordings that are there already are left alone: they are only added.

    tests/golden/record.py [--replicode FILE] [--golden FILE] [--guests DIR] [--keep DIR] [NAME ...]

Bless them next: tests/golden.sh bless. Each run is replayed by `replicode replay` first, and must give what its node had."""
import argparse
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def until(what, attempt, seconds=30):
    end = time.monotonic() + seconds
    while True:
        try:
            return attempt()
        except (OSError, AssertionError, ValueError, KeyError) as error:
            if time.monotonic() > end:
                raise SystemExit(f"record.py: waited {seconds} s for {what}: {error}")
            time.sleep(0.02)


def talk(port, sent, ends=True, pieces=1, want=None):
    """Sends bytes, in so many pieces, ends, and reads what comes until the other side ends, or until `want` bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        step = max(1, -(-len(sent) // pieces))
        for at in range(0, len(sent), step):
            s.sendall(sent[at:at + step])
            if pieces > 1:
                time.sleep(0.01)
        if ends:
            s.shutdown(socket.SHUT_WR)
        got = b""
        try:
            while want is None or len(got) < want:
                piece = s.recv(65536)
                if not piece:
                    break
                got += piece
        except ConnectionResetError:
            pass
        return got


def resp(*words):
    return b"".join([b"*%d\r\n" % len(words)] + [b"$%d\r\n%s\r\n" % (len(w), w) for w in words])


class Recorder:
    def __init__(self, args):
        self.replicode, self.golden, self.guests = args.replicode, args.golden, pathlib.Path(args.guests)
        self.work = pathlib.Path(args.keep or tempfile.mkdtemp(prefix="golden-"))
        self.wanted = set(args.names)

    def wants(self, name):
        there = (HERE / "recordings" / f"{name}.history").exists()
        return not there and (not self.wanted or name in self.wanted)

    def guest(self, name):
        return str(self.guests / f"{name}.wasm")

    def add(self, name, data, most=None):
        replay = json.loads(subprocess.run([self.replicode, "replay", "--json", data], check=True, capture_output=True).stdout)
        assert replay["ok"], f"{name}: the run does not replay: {replay}"
        subprocess.run([self.golden, "import", name, data] + (["--batches", str(most)] if most else []), check=True)

    def program(self, name, module, args=(), options=(), stdin=None, port=None, clients=None):
        """One node; a plain program runs to its end, a server until its clients are done."""
        if not self.wants(name):
            return
        data = str(self.work / name)
        command = [self.replicode, "run", self.guest(module), "--data", data, *options]
        host = free_port()
        if port:
            command += ["--publish", f"{host}:{port}"]
        command += ["--", *args]
        log = open(self.work / f"{name}.log", "wb")
        if not port:
            subprocess.run(command, input=stdin or b"", stdout=log, stderr=log, timeout=120)
        else:
            node = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                until(f"{name} to listen", lambda: clients(host))
            finally:
                node.send_signal(signal.SIGINT)
                node.wait(30)
        self.add(name, data)


def echo(port):
    assert talk(port, b"hello") == b"hello"
    assert talk(port, b"x" * 100_000, pieces=5) == b"x" * 100_000
    with socket.create_connection(("127.0.0.1", port)) as held:
        held.sendall(b"held")
        assert talk(port, b"meanwhile", pieces=3) == b"meanwhile"
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    time.sleep(0.1)


def spin(port):
    assert talk(port, b"?") == b"?"
    assert talk(port, b"y" * 3000, pieces=4) == b"y" * 3000


def kv(port):
    pong = talk(port, resp(b"PING"), ends=False, want=7)
    assert pong == b"+PONG\r\n", pong
    commands = [resp(b"SET", b"a", b"1"), resp(b"GET", b"a"), resp(b"INCR", b"a"), resp(b"APPEND", b"list", b"1,"),
                resp(b"SET", b"t", b"x", b"PX", b"50"), resp(b"TTL", b"t"), resp(b"DEL", b"a", b"none"), resp(b"NONSENSE"),
                resp(b"SCAN", b"0"), resp(b"EXISTS", b"t"), resp(b"SET", b"big", b"v" * 50_000), resp(b"GET", b"big")]
    for command in commands:
        talk(port, command)
    talk(port, b"".join(commands), pieces=7)
    time.sleep(0.1)
    talk(port, resp(b"GET", b"t") + b"*1\r\n$-5\r\n")


def http(port):
    def ask(method, path, body=b"", more=b""):
        head = b"%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%s\r\n" % (method, path, len(body), more)
        return talk(port, head + body, pieces=2)
    assert b" 200" in ask(b"GET", b"/healthz")
    for method, path, body in [(b"GET", b"/items/a", b""), (b"PUT", b"/items/a", b'{"n":1}'), (b"GET", b"/items/a", b""),
                               (b"PATCH", b"/items/a", b""), (b"DELETE", b"/items/a", b""), (b"GET", b"/items/a", b"")]:
        ask(method, path, body)
    talk(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 3, pieces=3)
    talk(port, b"nonsense\r\n\r\n")


def axum(port):
    def ask(request):
        return talk(port, request.replace(b"\n", b"\r\n") + b"Host: x\r\nConnection: close\r\n\r\n")
    assert b"200" in ask(b"GET / HTTP/1.1\n")
    for request in [b"GET /hello/a%20b HTTP/1.1\n", b"POST /count HTTP/1.1\nContent-Length: 0\n", b"GET /nothing HTTP/1.1\n",
                    b"GET /slow HTTP/1.1\n"]:
        ask(request)


def notes(port):
    assert talk(port, b"put a text of a note\nget a\nget b\nhold 100\n") == b"ok\ntext of a note\nnone\n100\n"
    # A draft for which there is no memory: it gives up, and is started again.
    talk(port, b"hold 200000\n")
    until("notes to be back", lambda: talk(port, b"get a\n"))
    talk(port, b"get a\nput b 2\n")


def endings(port):
    talk(port, b"a" + b"r" * 1000)
    for way in b"bcdghijkl":
        talk(port, bytes([way]) + b"r" * 1000)
        time.sleep(0.02)
    assert len(talk(port, b"r", want=12)) == 12
    talk(port, b"n")


def kill_loop(recorder, rounds=15):
    """kv on three nodes under clients that append, increment and read; a leader, a follower, or all are killed in turn."""
    name = "kv-kill-loop"
    if not recorder.wants(name):
        return
    data = recorder.work / name
    peers = []
    while len(peers) < 3:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.bind(("127.0.0.1", 0))
            peers.append(f"127.0.0.1:{s.getsockname()[1]}")
    subprocess.run([recorder.replicode, "init", str(data), recorder.guest("kv"), "--nodes", ",".join(peers), "--publish", "6379"],
                   check=True, capture_output=True)
    ports = [free_port() for _ in range(3)]
    for n, port in enumerate(ports, 1):
        file = data / f"node-{n}" / "node.toml"
        lines = [f'publish = ["127.0.0.1:{port}:kv:6379"]' if line.startswith("publish = ") else line
                 for line in file.read_text().splitlines()]
        file.write_text("\n".join(lines) + "\n")
    log = open(recorder.work / f"{name}.log", "wb")
    nodes = {}

    def start(n):
        nodes[n] = subprocess.Popen([recorder.replicode, "node", "--data", str(data / f"node-{n}")],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def status(n):
        command = [recorder.replicode, "status", "--admin", str(data / f"node-{n}"), "--json"]
        return json.loads(subprocess.run(command, capture_output=True, timeout=10).stdout)

    def leader():
        for n in nodes:
            if status(n)["role"] == "leader":
                return n
        raise ValueError("nobody leads")

    def serves(n):
        assert talk(ports[n - 1], resp(b"PING"), ends=False, want=7) == b"+PONG\r\n"

    stop = threading.Event()

    def client(number):
        count = 0
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", ports[number % 3]), timeout=3) as s:
                    while not stop.is_set():
                        count += 1
                        key = b"list-%d" % number
                        s.sendall([resp(b"APPEND", key, b"%d," % count), resp(b"INCR", b"counter"), resp(b"GET", key)][count % 3])
                        if not s.recv(65536):
                            break
                        time.sleep(0.02)
            except OSError:
                time.sleep(0.05)

    for n in (1, 2, 3):
        start(n)
    for n in (1, 2, 3):
        until(f"node {n} to serve", lambda: serves(n), 60)
    clients = [threading.Thread(target=client, args=(number,)) for number in range(5)]
    for thread in clients:
        thread.start()
    for turn in range(rounds):
        time.sleep(0.7)
        first = until("a leader", leader)
        victims = [[first], [1 + first % 3], [first], [1 + first % 3], [1, 2, 3]][turn % 5]
        for n in victims:
            nodes[n].kill()
        for n in victims:
            nodes[n].wait()
            start(n)
        for n in (1, 2, 3):
            until(f"node {n} to serve in round {turn}", lambda: serves(n))
    stop.set()
    for thread in clients:
        thread.join()
    for node in nodes.values():
        node.send_signal(signal.SIGINT)
    for node in nodes.values():
        node.wait(30)
    recorder.add(name, str(data / "node-1"))


def main():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicode", default=str(target / "replicode"))
    parser.add_argument("--golden", default=str(target / "golden"))
    parser.add_argument("--guests", default=str(ROOT / "wasm_programs" / "build"))
    parser.add_argument("--keep", help="keeps the runs in this directory")
    parser.add_argument("names", nargs="*", help="only these")
    args = parser.parse_args()
    it = Recorder(args)
    it.work.mkdir(parents=True, exist_ok=True)

    it.program("hello", "hello", ["one", "two words", "--exit", "7"], ["--env", "GREETING=good day"])
    it.program("hello-cat", "hello", ["--cat"], stdin=bytes(b"a"[0] + n % 23 for n in range(200_000)))
    given = it.work / "given"
    given.mkdir(exist_ok=True)
    (given / "greeting.txt").write_text("from the host\n")
    it.program("cat", "cat", ["/data/greeting.txt", "/none"], ["--dir", f"{given}:/data:ro"])
    it.program("cat-append", "cat", ["--append", "/data/greeting.txt", "more"], ["--dir", f"{given}:/data:ro"])
    it.program("files", "files")
    it.program("clock", "clock")
    it.program("cpu", "cpu", ["1"])
    for case in ("clock", "write1", "read1k"):
        it.program(f"sysbench-{case}", "sysbench", [case, "300"])
    it.program("peers", "peers", ["echo", "7", "hello across the cell"], ["--also", f"echo={it.guest('echo')} 7"])
    cases = "fault iovec badf fds renumber random poll files sockets grow stack frames unreachable divide outside indirect"
    also = [word for case in cases.split() for word in ("--also", f"{case}={it.guest('hostile')} {case}")]
    it.program("hostile", "hostile", ["--list"], also)
    it.program("echo", "echo", ["7"], port=7, clients=echo)
    it.program("spin", "spin", ["7000"], port=7000, clients=spin)
    it.program("kv", "kv", port=6379, clients=kv)
    it.program("http", "http", port=8080, clients=http)
    it.program("http-listener", "http", options=["--listen-fd", "9000"], port=9000, clients=http)
    it.program("hello-axum", "hello-axum", port=8080, clients=axum)
    it.program("hello-hyper", "hello-hyper", port=8080, clients=axum)
    it.program("notes", "notes", ["7000"], ["--restart", "on-failure", "--limit", "memory_bytes=16M"], port=7000, clients=notes)
    it.program("endings", "endings", ["7000", "7001"], port=7000, clients=endings)
    kill_loop(it)
    if not args.keep:
        shutil.rmtree(it.work)


if __name__ == "__main__":
    main()
