#!/usr/bin/env python3
"""Runs preview 1 test programs of others and compares with what docs/posix/preview1.md says of them.

  tests/preview1.py testsuite DIR    a checkout of WebAssembly/wasi-testsuite with built tests (branch prod/testsuite-base)
  tests/preview1.py wasmtime DIR     Wasmtime's crates/test-programs/src/bin/p1_*.rs, built for wasm32-wasip1
  tests/preview1.py KIND DIR 3       the same on three nodes, each of which must print and end as the others

REPLICODE names the binary, default target/release/replicode. The end is 0 when exactly the programs that the page lists
fail, and 1 otherwise.
"""

import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.abspath(os.environ.get("REPLICODE", os.path.join(HERE, "../target/release/replicode")))
NODES = int(sys.argv[3]) if len(sys.argv) > 3 else 1
LIMIT = 120
PAGE = os.path.join(HERE, "../docs/posix/preview1.md")


def run(wasm, args, dirs, env, scratch):
    """One program in a cell of its own: exit status, and what it printed."""
    words = [word for host, guest in dirs for word in ("--dir", f"{host}:{guest}")]
    words += [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
    data = os.path.join(scratch, "data")
    if NODES > 1:
        return run_on_several(data, words + [wasm, "--"] + args, scratch)
    done = subprocess.run([BINARY, "run", "--data", data] + words + [wasm, "--"] + args, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=LIMIT, cwd=scratch, check=False)
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def run_on_several(data, words, scratch):
    """The same on several nodes. They go on when the program has ended, and tell how."""
    with open(os.path.join(scratch, "up.log"), "w+b") as log:
        cluster = subprocess.Popen([BINARY, "up", "--nodes", str(NODES), "--data", data] + words, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, cwd=scratch)
        try:
            told = [ended(os.path.join(data, f"node-{node}"), cluster) for node in range(1, NODES + 1)]
        finally:
            cluster.send_signal(signal.SIGINT)
            cluster.wait(LIMIT)
            log.seek(0)
            said = log.read().decode(errors="replace")
    if None in told or any(one != told[0] for one in told):
        return -1, "", f"the nodes tell {told}\n{said}"
    return told[0]


def ended(node, cluster):
    """What a node knows of the program when it has ended, or `None` when the cluster ends first."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        status = subprocess.run([BINARY, "status", node, "--json"], capture_output=True, timeout=LIMIT, check=False)
        ends = json.loads(status.stdout)["ended"] if status.returncode == 0 else []
        if ends:
            printed = []
            for stream in ("stdout", "stderr"):
                with open(os.path.join(node, f"{stream}.log"), encoding="utf-8", errors="replace") as file:
                    printed.append(file.read())
            return ends[0]["code"], printed[0], printed[1] + (ends[0]["text"] or "")
        if cluster.poll() is not None:
            return None
        time.sleep(0.05)
    raise subprocess.TimeoutExpired(["replicode", "up"], LIMIT)


def testsuite(wasm, scratch):
    """As the suite's own runner: the root directory that the description names, preopened as `/`."""
    spec, described = {}, wasm.removesuffix(".wasm") + ".json"
    if os.path.exists(described):
        with open(described, encoding="utf-8") as file:
            spec = json.load(file)
    dirs = []
    if "root" in spec:
        shutil.copytree(os.path.join(os.path.dirname(wasm), spec["root"]), os.path.join(scratch, "root"))
        dirs = [(os.path.join(scratch, "root"), "/")]
    status, out, err = run(wasm, spec.get("args", []), dirs, spec.get("env", {}), scratch)
    return status == spec.get("exit_code", 0) and spec.get("stdout", out) == out, out + err


def wasmtime(wasm, scratch):
    """As Wasmtime's own runner: an empty directory preopened as `.`, and what some programs need besides."""
    name, root = os.path.basename(wasm), os.path.join(scratch, "root")
    os.mkdir(root)
    args, dirs = ["."], [(root, ".")]
    if "much_stdout" in name:
        args = ["x", "100000"]
    if "extreme" in name:
        with open(os.path.join(root, "extreme.dat"), "w", encoding="utf-8") as file:
            file.write("hello")
    if "across_perms" in name or "readonly" in name:
        other = os.path.join(scratch, "readonly")
        os.mkdir(other)
        with open(os.path.join(other, "test.txt"), "w", encoding="utf-8") as file:
            file.write("read only test file\n")
        dirs.append((other, "readonly:ro"))
    status, out, err = run(wasm, args, dirs, {"ERRNO_MODE_UNIX": "1"}, scratch)
    return status == 0, out + err


def main():
    kind, where = sys.argv[1:3]
    if kind == "testsuite":
        found = glob.glob(os.path.join(where, "tests/*/testsuite/wasm32-wasip1/*.wasm"))
        expected, check = set(), testsuite
    else:
        found = glob.glob(os.path.join(where, "p1_*.wasm"))
        with open(PAGE, encoding="utf-8") as page:
            expected, check = set(re.findall(r"^\| `(p1_\w+)` \|", page.read(), re.M)), wasmtime

    def one(wasm):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                return check(wasm, scratch)
            except subprocess.TimeoutExpired:
                return False, "no end within 120 seconds"

    failed = set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for wasm, (passed, said) in zip(sorted(found), pool.map(one, sorted(found))):
            name = os.path.basename(wasm).removesuffix(".wasm")
            if not passed:
                failed.add(name)
            if passed == (name in expected):
                print(f"{name}: {'passes, and the page says that it does not' if passed else 'fails'}\n{said}")
    print(f"{len(found) - len(failed)} of {len(found)} pass")
    sys.exit(0 if found and failed == expected else 1)


if __name__ == "__main__":
    main()
