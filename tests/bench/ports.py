"""Measures servers on replicode beside native builds of the same source: `ports.py [NAME...]`, called by tests/bench.sh.

The two sides run in turn under the same load generator (tests/src/bin/load.rs), which looks at every answer; what is
printed are medians, ratios and what is wanted of them. First on one node with everything in memory (/dev/shm), then three
nodes on the disk, beside a native server that has its files on the same disk. A server is made anew for each round.

`calls` are single system calls (tests/bench/calls.c) instead of servers.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "ports"))
import judge  # noqa: E402: its folder is known only now

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or judge.ROOT / "target")
LOAD = TARGET / "release" / "load"
MEMORY = pathlib.Path("/dev/shm")


class Axum:
    """Not a port: a guest of ours, which says where it listens as an argument."""

    GUEST_PORT = 8080

    @staticmethod
    def arguments(_folder, port):
        return [f"0.0.0.0:{port}"]


@dataclasses.dataclass
class Subject:
    """A server, what it is asked for, and what is wanted: native ÷ ours at most, or ours ÷ native at least."""

    name: str
    what: str
    ask: tuple
    one: float = None
    three: float = None
    times: float = None
    clients: int = 32
    nodes: tuple = (1, 3)


KILOBYTE = ("http", "/kilobyte.txt", "--body", "{folder}/site/kilobyte.txt")
SUBJECTS = [
    Subject("beanstalkd", "put 256 B", ("beanstalkd-put",), one=1.7),
    Subject("memcached", "set 256 B", ("memcached-set",), one=1.7),
    Subject("redis", "SET 256 B", ("redis-set",), one=1.7),
    Subject("lighttpd", "GET 1 KiB", KILOBYTE, one=1.7),
    Subject("darkhttpd", "GET 1 KiB", KILOBYTE, one=1.3),
    Subject("axum", "GET hello", ("http", "/"), one=2.0),
    Subject("mosquitto", "QoS 0, 64 B, messages", ("mqtt-qos0", "--size", "64"), one=1.2, three=2.5),
    Subject("sqlite-tcp", "insert, synchronous=FULL", ("sqlite-insert", "--size", "64"), times=10, clients=64, nodes=(3,)),
]


# ---------------------------------------------------------------------------------------------------------------------
# building


def run(*command, **more):
    done = subprocess.run([str(word) for word in command], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, check=False, **more)
    if done.returncode != 0:
        raise judge.Failure(f"{' '.join(map(str, command))} exited with {done.returncode}:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def built(name):
    """What is known of a server, its module and its native program."""
    if name == "axum":
        rust, native = judge.ROOT / "wasm_programs" / "rust", judge.BUILD / ".cargo-native"
        run(judge.ROOT / "wasm_programs" / "build.sh", "hello-axum")
        run("cargo", "build", "--quiet", "--locked", "--release", "--target-dir", native, "--package", "hello-axum", cwd=rust)
        return Axum, judge.BUILD / "hello-axum.wasm", native / "release" / "hello-axum"
    spec = judge.importlib.util.spec_from_file_location(f"port_{name}", judge.PORTS / name / "test.py")
    test = judge.importlib.util.module_from_spec(spec)
    spec.loader.exec_module(test)
    run(judge.PORTS / "build.sh", name)
    run(judge.PORTS / "build.sh", "--native", name)
    return test, judge.BUILD / f"{name}.wasm", judge.BUILD / "native" / name


# ---------------------------------------------------------------------------------------------------------------------
# measuring


def processor_time(roots):
    """Seconds that these processes and their children have had."""
    parents, used = {}, {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    ours = set(roots)
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(used.get(pid, 0) for pid in ours)


def answering(program, test, port):
    def answers():
        program.alive()
        with judge.socket.create_connection(("127.0.0.1", port), 2):
            return test.ready(port) if hasattr(test, "ready") else True
    judge.eventually(f"port {port} to answer", 60, answers)


def loaded(subject, program, port, folder, seconds):
    """Load on a running server: requests a second, times, and processor time of the server for each."""
    before = processor_time([program.child.pid])
    ask = [word.replace("{folder}", str(folder)) for word in subject.ask]
    figures = json.loads(run(LOAD, port, *ask, "--clients", subject.clients, "--seconds", seconds, "--json"))
    program.alive()
    # The generator warms up for a second, at about the same rate.
    figures["cpu_us"] = (processor_time([program.child.pid]) - before) / (figures["rate"] * (seconds + 1)) * 1e6
    return figures


def natively(subject, test, native, work, seconds):
    port = judge.free_port()
    folder = judge.folder_for(test, work, "native", port=port)
    program = judge.Program([str(native), *test.arguments(str(folder), port)], work / "native.log", cwd=folder)
    try:
        answering(program, test, port)
        return loaded(subject, program, port, folder, seconds)
    except judge.Failure as error:
        raise judge.Failure(f"native: {error}\n{program.tail()}") from error
    finally:
        program.stop(signal.SIGKILL)


def on_nodes(subject, test, module, count, work, seconds):
    folder = judge.folder_for(test, work, "ours", judge.FOLDER_IN_CELL)
    nodes = judge.Nodes(module, test, count, work, folder)
    try:
        # Every node, so that none of them is still at its start.
        ports = {node: nodes.port(node) for node in range(1, count + 1)}
        for port in ports.values():
            answering(nodes.up, test, port)
        return loaded(subject, nodes.up, ports[nodes.leader()], folder, seconds)
    except judge.Failure as error:
        raise judge.Failure(f"{error}\n{nodes.troubles()}") from error
    finally:
        nodes.stop()


def median(rounds):
    """The round of median throughput."""
    return sorted(rounds, key=lambda figures: figures["rate"])[len(rounds) // 2]


def server_rows(subject, options):
    test, module, native = built(subject.name)
    for count in subject.nodes:
        if options.nodes and count != options.nodes:
            continue
        ours, peer = [], []
        for _ in range(options.rounds):
            for side, measure in ((peer, lambda work: natively(subject, test, native, work, options.seconds)),
                                  (ours, lambda work: on_nodes(subject, test, module, count, work, options.seconds))):
                work = pathlib.Path(tempfile.mkdtemp(prefix="replicode-bench-", dir=MEMORY if count == 1 and MEMORY.is_dir() else None))
                try:
                    side.append(measure(work))
                finally:
                    shutil.rmtree(work, ignore_errors=True)
        where = "1 node, in memory" if count == 1 else f"{count} nodes, on disk"
        row = Row(f"{subject.name}, {subject.what}, {subject.clients} clients, {where}", {"replicode": median(ours), "native": median(peer)})
        # Rounds are turns of the two: their ratios suffer less from whatever else the machine does than the rates themselves.
        ratio = statistics.median(b["rate"] / a["rate"] for a, b in zip(ours, peer))
        if subject.times:
            row.judge("rate, ours to native", 1 / ratio, "at least", subject.times)
        else:
            row.judge("rate, native to ours", ratio, "at most", subject.one if count == 1 else subject.three)
            # What the least disturbed round of each side says: on a busy machine the median tells how busy it is.
            best = [max(figures["rate"] for figures in side) for side in (peer, ours)]
            row.judge("the same of the best rounds", best[0] / best[1], "at most", None)
        yield row


# ---------------------------------------------------------------------------------------------------------------------
# single calls

# What is called, how often, whether it moves bytes, and a loop whose time is no part of it.
CALLS = [
    ("dup2", "dup", 3_000_000, None),
    ("a pipe, 64 KiB pieces written and read", "pipe", 40_000, None),
    ("epoll_wait, one of 1,000 ready", "epoll", 1_000_000, "event"),
]


def call_rows(options):
    source, folder = HERE / "calls.c", judge.BUILD / ".bench"
    folder.mkdir(parents=True, exist_ok=True)
    sdk = pathlib.Path(os.environ.get("REPLICODE_SDK") or judge.BUILD / "sdk")
    if not os.environ.get("REPLICODE_SDK"):
        run(judge.ROOT / "wasm_programs" / "build.sh", "--sdk")
    run("cc", "-O2", "-Wall", "-Wextra", source, "-o", folder / "calls")
    run(sdk / "bin" / "replicode-cc", "-O2", "-Wall", "-Wextra", source, "-o", folder / "calls.wasm")
    native, ours = [folder / "calls"], [judge.REPLICODE, "run", folder / "calls.wasm", "--"]

    def seconds(side, name, count):
        # Processor time: how long others keep the processor is no part of a call.
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(*side, name, count, cwd=folder)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    def nanos(side, name, count, without):
        """The best of the rounds, as others only make it worse; starting and ending are taken off."""
        least = min(seconds(side, name, 1) for _ in range(options.rounds + 2))
        took = min(seconds(side, name, count) for _ in range(options.rounds + 2)) - least
        if without:
            took -= min(seconds(side, without, count) for _ in range(options.rounds + 2)) - least
        return max(took, 0) / count * 1e9

    for what, name, count, without in CALLS:
        figures = {"replicode": nanos(ours, name, count, without), "native": nanos(native, name, count, without)}
        row = Row(f"a call: {what}", {side: {"ns": value} for side, value in figures.items()})
        if name == "pipe":
            row.sides = {side: {"ns": value, "GB/s": 65536 / value} for side, value in figures.items()}
        if name != "dup":
            row.judge("speed, ours to native", figures["native"] / max(figures["replicode"], 1e-9), "above", 1)
        if name != "pipe":
            row.judge("ns", figures["replicode"], "at most", 100)
        yield row


# ---------------------------------------------------------------------------------------------------------------------
# telling; as tests/src/bin/bench.rs does


class Row:
    def __init__(self, what, sides):
        self.what, self.sides, self.verdicts = what, sides, []

    def judge(self, name, value, how, bound):
        met = None if bound is None else {"at most": value <= bound, "at least": value >= bound, "above": value > bound}[how]
        self.verdicts.append({"name": name, "value": value, "wanted": bound and f"{how} {bound}", "met": met})

    def text(self):
        lines = [self.what]
        for side, figures in self.sides.items():
            lines.append(f"  {side:<12}" + "".join(f"   {unit} {value:>9.{3 if value < 100 else 0}f}" for unit, value in figures.items()))
        for verdict in self.verdicts:
            wanted = f" (wanted: {verdict['wanted']}): {'met' if verdict['met'] else 'NOT met'}" if verdict["wanted"] else ""
            lines.append(f"  {verdict['name']}: {verdict['value']:.2f}{wanted}")
        return "\n".join(lines)

    def json(self):
        return {"what": self.what, "sides": self.sides, "verdicts": self.verdicts}


def main():
    subjects = {subject.name: (lambda options, subject=subject: server_rows(subject, options)) for subject in SUBJECTS}
    subjects["calls"] = call_rows
    parser = argparse.ArgumentParser(prog="tests/bench.sh ports", description="Measures servers beside native builds of the same source.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(subjects)} (default: all)")
    parser.add_argument("--seconds", type=float, default=5, help="seconds per measurement (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds per side (default: 3)")
    parser.add_argument("--nodes", type=int, choices=(1, 3), help="only on so many nodes")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    options = parser.parse_args()
    for name in options.names:
        if name not in subjects:
            parser.error(f"'{name}' is not measured: choose from {', '.join(subjects)}")
    rows, failed = [], {}
    for name in options.names or subjects:
        print(f"measuring {name} …", file=sys.stderr, flush=True)
        try:
            for row in subjects[name](options):
                rows.append(row)
                if not options.json:
                    print(row.text(), flush=True)
        except (judge.Failure, SystemError, OSError, subprocess.SubprocessError) as error:
            failed[name] = str(error)
            print(f"FAILED  {name}: {error}", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps({"rows": [row.json() for row in rows], "failed": failed}))
    elif failed:
        print(f"not measured: {' '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
