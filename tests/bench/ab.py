"""Two builds of replicode in turn, in the same minutes: is the new one slower?

    tests/bench.sh ab OLD NEW [--turns 7] [--seconds 2] [--only ROW …] [--json]

OLD and NEW are revisions of this repository, which are built in target/ab, or paths of `replicode` programs in checkouts where their guests
and `bench` are built too. Each turn measures one,
then the other, and every second turn begins with the other one; what is told is the median of the turns' ratios, new to old, with its
quartiles. A row holds if its ratio does. Exit code 0 if all do, 1 if one does not.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Row: measurement of tests/src/bin/bench.rs, how its line begins, the figure and where it stands, and what the ratio new to old must be.
ROWS = {
    "set-64": ("set-etcd", "3 nodes, SET 256 B, 64 clients", "replicode", "rate", ("at least", 0.97)),
    "set-256": ("set-etcd", "3 nodes, SET 256 B, 256 clients", "replicode", "rate", ("at least", 0.97)),
    "set-redis": ("set-redis", "3 nodes, SET", "replicode", "rate", ("at least", 0.97)),
    "get": ("get-redis", "1 node, GET", "replicode", "rate", ("at least", 0.97)),
    "added-shared": ("latency", "3 nodes on one disk", "added by replication, p50", "ms", ("at most", 1.03)),
    "added-own": ("latency", "3 nodes with disks", "added by replication, p50", "ms", ("at most", 1.03)),
    "p99-shared": ("latency", "3 nodes on one disk", "replicode", "p99_ms", None),
    "replay": ("replay", "replay of", "replay", "s", None),
    "replay-rate": ("replay", "replay of", None, "run to replay", ("at least", 0.97)),
    "idle-memory": ("idle", "", "", "MB", ("at most", 1.03)),
    # A few ticks of the clock: to look at, not to judge by.
    "idle-processor": ("idle", "", "", "percent", None),
}


class Side:
    """A program, and the measuring program and guests that were built with it: older ones may not fit newer guests."""

    def __init__(self, program):
        self.program = program
        self.bench = program.parent / "bench"
        self.root = program.parents[2]
        for needed in (self.bench, self.kv):
            if not needed.is_file():
                sys.exit(f"ab: {program} lacks {needed}: build both in its checkout with 'tests/bench.sh --help' and 'wasm_programs/build.sh kv'")

    @property
    def kv(self):
        return self.root / "wasm_programs/build/kv.wasm"


def build(what):
    """A program of that revision, or the program itself."""
    if os.access(what, os.X_OK) and os.path.isfile(what):
        return Side(pathlib.Path(what).resolve())
    found = subprocess.run(["git", "rev-parse", "--verify", "--quiet", f"{what}^{{commit}}"], cwd=ROOT, capture_output=True, text=True)
    if found.returncode != 0:
        sys.exit(f"ab: '{what}' is neither a program that can be run nor a revision of this repository")
    commit = found.stdout.strip()
    tree = ROOT / "target" / "ab" / commit[:12]
    if not tree.is_dir():
        subprocess.run(["git", "worktree", "add", "--detach", str(tree), commit], cwd=ROOT, check=True, stdout=sys.stderr)
    print(f"ab: building {what} in {tree}", file=sys.stderr)
    for command in (["tests/setup.sh", "bench"], ["cargo", "build", "--release", "--locked", "--workspace", "--bins", "--example", "roundtrip"]):
        subprocess.run(command, cwd=tree, check=True, stdout=sys.stderr, env={**os.environ, "CARGO_TARGET_DIR": str(tree / "target")})
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", "target/own_disk.so", "tests/bench/own_disk.c"], cwd=tree, check=True)
    return Side(tree / "target/release/replicode")


def idle(side, seconds):
    """Memory and processor time of a node alone that nobody asks anything."""
    with tempfile.TemporaryDirectory() as data, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [side.program, "run", side.kv, "--publish", f"{port}:6379", "--data", f"{data}/d"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as node:
            # Whatever goes wrong here, it must not be waited for.
            watch = threading.Timer(max(seconds, 5) + 30, node.kill)
            watch.start()

            def stat():
                fields = pathlib.Path(f"/proc/{node.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            time.sleep(3)
            if node.poll() is not None:
                sys.exit(f"ab: {side.program} has ended: {node.stderr.read().strip()}")
            before = stat()
            time.sleep(max(seconds, 5))
            used = (stat() - before) / max(seconds, 5)
            status = pathlib.Path(f"/proc/{node.pid}/status").read_text(encoding="ascii")
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            node.send_signal(signal.SIGINT)
            watch.cancel()
        return {"MB": resident / 1024, "percent": 100 * used}


def measure(side, measurement, rows, seconds):
    """This measurement's figures, by row."""
    if measurement == "idle":
        figures = idle(side, seconds)
        return {row: figures[ROWS[row][3]] for row in rows}
    command = [side.bench, "--seconds", str(seconds), "--rounds", "1", "--json", measurement]
    ran = subprocess.run(command, cwd=side.root, env={**os.environ, "REPLICODE_BIN": str(side.program)}, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        sys.exit(f"ab: measuring {measurement} of {side.program} failed: {ran.stderr.strip()}")
    figures = {}
    for line in json.loads(ran.stdout)["rows"]:
        for row in rows:
            _, what, whose, unit, _ = ROWS[row]
            if not line["what"].startswith(what):
                continue
            if whose is None:
                figures[row] = next(v["value"] for v in line["verdicts"] if v["name"] == unit)
            else:
                figures[row] = line["sides"][whose][unit]
    return figures


def main():
    parser = argparse.ArgumentParser(prog="tests/bench.sh ab", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old")
    parser.add_argument("new")
    parser.add_argument("--turns", type=int, default=7, help="how often each is measured (7)")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement (2)")
    parser.add_argument("--only", nargs="+", choices=ROWS, metavar="ROW", default=list(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    sides = {"old": build(args.old), "new": build(args.new)}
    taken = {row: {"old": [], "new": []} for row in args.only}
    for measurement in dict.fromkeys(ROWS[row][0] for row in args.only):
        rows = [row for row in args.only if ROWS[row][0] == measurement]
        for turn in range(args.turns):
            print(f"ab: {measurement}, turn {turn + 1} of {args.turns}", file=sys.stderr)
            for side in ("old", "new") if turn % 2 == 0 else ("new", "old"):
                for row, value in measure(sides[side], measurement, rows, args.seconds).items():
                    taken[row][side].append(value)
    results, held = [], True
    for row, values in taken.items():
        ratios = sorted(new / old for old, new in zip(values["old"], values["new"]) if old > 0)
        if len(ratios) < args.turns:
            held = False
            print(f"ab: {row} was measured in {len(ratios)} of {args.turns} turns only", file=sys.stderr)
            if not ratios:
                continue
        middle = statistics.median(ratios)
        low, high = ratios[len(ratios) // 4], ratios[(3 * len(ratios)) // 4]
        wanted = ROWS[row][4]
        met = wanted is None or (middle >= wanted[1] if wanted[0] == "at least" else middle <= wanted[1])
        held &= met
        result = {"row": row, "unit": ROWS[row][3], "old": statistics.median(values["old"]), "new": statistics.median(values["new"]),
                  "ratio": middle, "from": low, "to": high, "turns": len(ratios), "wanted": wanted and " ".join(map(str, wanted)), "met": met}
        results.append(result)
        if not args.json:
            verdict = "" if wanted is None else f"   wanted {wanted[0]} {wanted[1]}: {'met' if met else 'NOT met'}"
            print(f"{row:<16} old {result['old']:>12.3f}   new {result['new']:>12.3f} {ROWS[row][3]:<14} ratio {middle:.3f} ({low:.3f}–{high:.3f}){verdict}")
    if args.json:
        print(json.dumps({"rows": results, "held": held}))
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
