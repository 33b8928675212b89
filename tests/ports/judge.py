"""Judges ports: `judge.py [--suites] NAME...`, called by tests/ports.sh.

For each port: it is built from pristine source for replicode and natively; both get the same requests, and their answers
must be the same bytes, on one node and on three. On three nodes a client then writes without pause to a node that lives
while the leader is killed, and brought back, and a follower is killed, and brought back; everything that was acknowledged
must be there on every node. What each node recorded is executed again and must come to the same digests, and `diff` must
find nothing.

What a port needs for that stands in wasm_programs/ports/NAME/test.py:

    GUEST_PORT                    where the program listens in the cell
    BINARY                        the port whose program is run, where it has another name than the folder
    EXTRA                         more arguments for `replicode`, such as limits
    def prepare(folder, place, port):  makes files in `folder`, which the program, listening on `port`, sees as `place`
    def arguments(folder, port):  the program's arguments, for a folder (of the host or the cell) and a port
    def transcript(port):         talks to the program and returns what it answered, less what must differ
    class Writer:                 Writer(port).write(n) stores item n and returns when it is acknowledged
    def check(port, n):           raises unless the items 0..n-1 are there, once each
    def files(native, folder, n): the same for a copy of the cell's files, by means of the native program
    def alone():                  in its place, for a program that is no server: judged by itself

With `--suites` the programs' own tests are run instead, as far as they fit: wasm_programs/ports/NAME/suite.py has

    def run(judge, module, native, work):  runs them against `module` in a cell and against `native`; returns what to tell
"""

import importlib.util
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PORTS = ROOT / "wasm_programs" / "ports"
BUILD = ROOT / "wasm_programs" / "build"
FOLDER_IN_CELL = "/data"
REPLICODE = os.environ.get("REPLICODE") or str(ROOT / "target" / "release" / "replicode")
sys.path.insert(0, str(HERE))


class Failure(Exception):
    """What a port did wrong."""


def eventually(what, limit, attempt):
    """Tries until `attempt` returns something true."""
    until, last = time.monotonic() + limit, None
    while time.monotonic() < until:
        try:
            value = attempt()
            if value:
                return value
        except (OSError, Failure, AssertionError, ValueError, KeyError, subprocess.SubprocessError) as error:
            last = error
        time.sleep(0.05)
    raise Failure(f"{what}: not within {limit} s; last error: {last!r}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A process with its output in a file."""

    def __init__(self, command, log, cwd=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=cwd)

    def stop(self, number=signal.SIGINT):
        if self.child.poll() is None:
            self.child.send_signal(number)
            try:
                self.child.wait(30)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def tail(self):
        return self.log.read_text(errors="replace")[-3000:]

    def alive(self):
        if self.child.poll() is not None:
            raise SystemError(f"{self.child.args[0]} has ended with {self.child.returncode}:\n{self.tail()}")


def command(*args):
    done = subprocess.run([REPLICODE, *map(str, args)], capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        raise Failure(f"replicode {' '.join(map(str, args))} exited with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Nodes:
    """`replicode up` with its nodes, and those that were started again."""

    def __init__(self, module, test, count, work, own):
        self.data, self.count, self.revived = work / f"nodes-{count}", count, {}
        extra = [*getattr(test, "EXTRA", []), "--dir", f"{own}:{FOLDER_IN_CELL}"]
        arguments = test.arguments(FOLDER_IN_CELL, test.GUEST_PORT)
        self.up = Program(
            [REPLICODE, "up", str(module), "--nodes", str(count), "--publish", f"0:{test.GUEST_PORT}",
             "--data", str(self.data), *extra, "--", *arguments], work / f"up-{count}.log")

    def folder(self, node):
        return self.data / f"node-{node}"

    def status(self, node):
        return json.loads(command("status", "--json", self.folder(node)))

    def port(self, node):
        def published():
            self.up.alive()
            return int(self.status(node)["published"][0]["listen"].rsplit(":", 1)[1])
        return eventually(f"node {node} to publish", 60, published)

    def leader(self):
        def leads():
            for node in range(1, self.count + 1):
                try:
                    if self.status(node)["role"] == "leader":
                        return node
                except (Failure, ValueError):
                    pass
            return None
        return eventually("a leader", 20, leads)

    def kill(self, node):
        os.kill(int((self.folder(node) / "pid").read_text()), signal.SIGKILL)
        if node in self.revived:
            self.revived.pop(node).child.wait()

    def revive(self, node):
        log = self.data / f"revived-{node}.log"
        def start():
            program = Program([REPLICODE, "node", "--data", str(self.folder(node))], log)
            time.sleep(0.3)
            if program.child.poll() is not None:
                raise Failure(program.tail())
            return program
        self.revived[node] = eventually(f"node {node} to start again", 10, start)
        def caught_up():
            states = [self.status(n) for n in range(1, self.count + 1)]
            return states[node - 1]["applied_index"] + 20 >= max(state["applied_index"] for state in states)
        eventually(f"node {node} to catch up", 60, caught_up)

    def stop(self):
        for program in self.revived.values():
            program.stop()
        self.up.stop()

    def troubles(self):
        texts = [self.up.tail()]
        for node in range(1, self.count + 1):
            for name in ("stderr.log", "stdout.log"):
                file = self.folder(node) / name
                if file.exists():
                    texts.append(f"-- node {node} {name}:\n{file.read_text(errors='replace')[-1500:]}")
            break
        return "\n".join(texts)


def compare(where, want, got):
    if want == got:
        return
    want, got = want.splitlines(), got.splitlines()
    for at in range(max(len(want), len(got))):
        one, other = (lines[at] if at < len(lines) else b"(nothing)" for lines in (want, got))
        if one != other:
            raise Failure(f"{where}: line {at + 1} of the answers is {other!r}, the native program's is {one!r}")
    raise Failure(f"{where}: the answers differ in their line ends")


def folder_for(test, work, name, place=None, port=None):
    folder = work / name
    folder.mkdir()
    if hasattr(test, "prepare"):
        test.prepare(folder, place or str(folder), port or test.GUEST_PORT)
    return folder


def answers_at(test, port, check_alive):
    def answers():
        check_alive()
        with socket.create_connection(("127.0.0.1", port), 2):
            pass
        return test.ready(port) if hasattr(test, "ready") else True
    eventually(f"port {port} to answer", 60, answers)
    return test.transcript(port)


def native_answers(test, binary, work):
    port = free_port()
    folder = folder_for(test, work, "native", port=port)
    program = Program([str(binary), *test.arguments(str(folder), port)], work / "native.log", cwd=folder)
    try:
        return answers_at(test, port, program.alive)
    finally:
        program.stop(signal.SIGKILL)


class Load(threading.Thread):
    """A client that writes item after item, until it is told to stop."""

    def __init__(self, test, port):
        super().__init__(daemon=True)
        self.test, self.port, self.written, self.stopped, self.error = test, port, 0, False, None
        self.longest = 0.0

    def run(self):
        try:
            writer = self.test.Writer(self.port)
            while not self.stopped:
                began = time.monotonic()
                writer.write(self.written)
                self.written += 1
                self.longest = max(self.longest, time.monotonic() - began)
                if self.written > 200:
                    time.sleep(0.01)  # enough to see that it goes on
        except Exception as error:  # whatever it is, it is the judge's to tell
            self.error = error

    def grow(self, by, when):
        want = self.written + by
        def grown():
            if self.error:
                raise SystemError(f"{when}, after {self.written} items: {self.error!r}")
            return self.written >= want
        eventually(f"the client to go on {when} (at {self.written} items)", 30, grown)


def on_nodes(test, module, native, count, work, want):
    nodes = Nodes(module, test, count, work, folder_for(test, work, f"dir-{count}", FOLDER_IN_CELL))
    try:
        where = f"on {count} node" + ("s" if count > 1 else "")
        compare(where, want, answers_at(test, nodes.port(1), nodes.up.alive))
        told = "same answers"
        if count > 1:
            told += ", " + with_deaths(test, nodes, native)
    except (Failure, SystemError, OSError, AssertionError) as error:
        raise Failure(f"{error}\n{nodes.troubles()}") from error
    finally:
        nodes.stop()
    for node in range(1, count + 1):
        command("replay", nodes.folder(node))
    for node in range(2, count + 1):
        command("diff", nodes.folder(1), nodes.folder(node))
    return told + ", replayed"


def with_deaths(test, nodes, native):
    leader = nodes.leader()
    alive = leader % nodes.count + 1
    load = Load(test, nodes.port(alive))
    load.start()
    load.grow(30, "at first")
    nodes.kill(leader)
    load.grow(30, "after the death of the leader")
    nodes.revive(leader)
    after = nodes.leader()
    follower = next(node for node in range(1, nodes.count + 1) if node not in (alive, after))
    nodes.kill(follower)
    load.grow(30, "after the death of a follower")
    nodes.revive(follower)
    load.stopped = True
    load.join(30)
    if load.error:
        raise Failure(f"after {load.written} items: {load.error!r}")
    for node in range(1, nodes.count + 1):
        test.check(nodes.port(node), load.written)
        if hasattr(test, "files"):
            copy = nodes.data / f"files-{node}"
            command("files", nodes.folder(node), "cp", FOLDER_IN_CELL, copy)
            test.files(native, copy, load.written)
    return f"{load.written} items through two deaths (longest wait {load.longest:.1f} s)"


def fetch(name, file, sha256, *places):
    """One file that a port's tests need; ports/build.sh says what a place may be."""
    done = subprocess.run([str(PORTS / "build.sh"), "--fetch", name, file, sha256, *places], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(done.stderr)
    return pathlib.Path(done.stdout.strip())


def load(name, file):
    spec = importlib.util.spec_from_file_location(f"port_{name}_{file}", PORTS / name / f"{file}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judge(name, kind):
    test = load(name, kind)
    binary = getattr(test, "BINARY", name)
    build = PORTS / "build.sh"
    for option in ([], ["--native"]):
        done = subprocess.run([str(build), *option, binary], stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stderr)
    module, native = BUILD / f"{binary}.wasm", BUILD / "native" / binary
    work = pathlib.Path(tempfile.mkdtemp(prefix=f"replicode-port-{name}-"))
    try:
        if kind == "suite":
            return test.run(sys.modules[__name__], module, native, work)
        if hasattr(test, "alone"):
            return test.alone(sys.modules[__name__], module, native, work)
        want = native_answers(test, native, work)
        told = [f"{len(want.splitlines())} lines of answers"]
        for count in (1, 3):
            told.append(f"{count} node{'s' if count > 1 else ''}: " + on_nodes(test, module, native, count, work, want))
        return "; ".join(told)
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(work, ignore_errors=True)


def main():
    names, kind = sys.argv[1:], "test"
    if names[:1] == ["--suites"]:
        names, kind = names[1:], "suite"
    names = names or sorted(path.parent.name for path in PORTS.glob(f"*/{kind}.py"))
    failed = []
    for name in names:
        began = time.monotonic()
        try:
            if not (PORTS / name / f"{kind}.py").exists():
                raise Failure(f"there is no {PORTS / name / kind}.py")
            print(f"ok      {name}: {judge(name, kind)}; {time.monotonic() - began:.0f} s", flush=True)
        except (Failure, SystemError, OSError, AssertionError) as error:
            failed.append(name)
            print(f"FAILED  {name}: {error}", flush=True)
    print(f"ports.sh: {len(names) - len(failed)} of {len(names)} {'suites' if kind == 'suite' else 'ports'} pass" + (f"; failed: {' '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.modules["judge"] = sys.modules["__main__"]
    sys.exit(main())
