#!/usr/bin/env python3
"""Builds and runs wasi-libc's own tests, natively and here, and compares with what docs/posix/wasi-libc.md says of them.

  tests/wasilibc.py WASI-LIBC LIBC-TEST      checkouts of WebAssembly/wasi-libc and of the libc-test that it names
  tests/wasilibc.py WASI-LIBC LIBC-TEST 3    the same on three nodes, each of which must print and end as the others
  tests/wasilibc.py WASI-LIBC LIBC-TEST 1 NAME...    these only, and what they print

What is built, with which options and which arguments, is read from wasi-libc's test/CMakeLists.txt: all but what is there for
threads and for components. REPLICODE names the binary, default target/release/replicode; REPLICODE_CC the SDK's compiler, default
wasm_programs/build/sdk/bin/replicode-cc; CC the native one. The end is 0 when exactly the tests that the page lists do not
pass, and 1 otherwise. What happens natively is printed beside it, and judges nothing: some tests hold for wasi-libc alone.
"""

import collections
import concurrent.futures
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from preview1 import BINARY, HERE, LIMIT, NODES, run

CC = os.path.abspath(os.environ.get("REPLICODE_CC", os.path.join(HERE, "../wasm_programs/build/sdk/bin/replicode-cc")))
NATIVE_CC = shlex.split(os.environ.get("CC", "cc"))
PAGE = os.path.join(HERE, "../docs/posix/wasi-libc.md")

# The first port that a cell gives to a socket that is bound to port 0.
FIRST_PORT = 32768

# Blocks of the test description that are for other targets than wasm32-wasip1 without threads. (The socket tests stand in a block
# that leaves preview 1 out, which has no sockets of its own; here they are built.)
NOT_HERE = ('TARGET_TRIPLE MATCHES "-threads"', "ENABLE_COOP_THREADS", "WASILIBC_MULTITHREADING AND NOT TEST_WITH_V8", "PYTHON_TESTS",
            "HAVE_WASM_LIBCALL_THREAD_CONTEXT")

# A client of a pair looks for its server at 127.0.0.1, where it would find itself: each program of a cell has an address of its own.
# It also must come after the server, which the suite's own script sees to by waiting for the server's first line.
PREAMBLE = """\
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>
#undef INADDR_LOOPBACK
#define INADDR_LOOPBACK address_of_the_server()
static inline in_addr_t address_of_the_server(void) {
  in_addr_t address;
  usleep(100000);
  memcpy(&address, gethostbyname("server")->h_addr_list[0], sizeof address);
  return ntohl(address);
}
"""

UNBUILT, PASSES = "does not build", "passes"
Test = collections.namedtuple("Test", "name source needs args env cflags ldflags prints clients")


def described(wasi_libc, libc_test):
    """The tests that the description has for this target."""
    with open(os.path.join(wasi_libc, "test/CMakeLists.txt"), encoding="utf-8") as file:
        text = re.sub(r"(?m)#.*$", "", file.read())
    words = {"FS", "NETWORK", "SETJMP", "NOSHARED"}
    lists = {"ARGV", "ENV", "CFLAGS", "LDFLAGS", "SHARED_LIBS", "ENGINE_ARG", "PASS_REGULAR_EXPRESSION", "NCLIENTS", "MAX_RESOURCES", "TIMEOUT_S"}
    conditions, tests, sources = [], {}, os.path.join(wasi_libc, "test/src")
    # The parentheses of conditions hold others; none of those closes at the end of a line.
    for command, inside in re.findall(r"(?ms)^ *(\w+) *\((.*?)\)\s*?$", text):
        inside = " ".join(inside.split())
        if command in ("if", "elseif", "else"):
            if command != "if":
                conditions.pop()
            conditions.append(inside)
        elif command == "endif":
            conditions.pop()
        if command not in ("add_libc_test", "add_wasilibc_test", "sockets_test") or any(one in NOT_HERE for one in conditions):
            continue
        given, needs, key = collections.defaultdict(list), set(), None
        for word in shlex.split(inside):
            if word in lists:
                key = word
            elif word in words:
                needs.add(word)
            elif not word.startswith("${"):
                given[key].append(word)
        plain, clients = given[None], []
        if command == "sockets_test":
            name, client, server = plain
            source = os.path.join(sources, server.removesuffix(".wasm") + ".c")
            clients = [os.path.join(sources, client.removesuffix(".wasm") + ".c")] * int((given["NCLIENTS"] or [1])[0])
        else:
            name = plain[0].removesuffix(".c")
            source = os.path.join(os.path.join(libc_test, "src") if command == "add_libc_test" else sources, plain[0])
        prints = given["PASS_REGULAR_EXPRESSION"]
        tests.setdefault(name, Test(name, source, needs, given["ARGV"], given["ENV"], given["CFLAGS"], given["LDFLAGS"],
                                    prints[0] if prints else "", clients))
    return list(tests.values())


def build(compiler, source, out, libc_test, flags):
    """What the compiler says when it cannot; else nothing."""
    common = os.path.join(libc_test, "src/common")
    done = subprocess.run(compiler + ["-I", common, "-o", out, source]
                          + [os.path.join(common, f"{name}.c") for name in ("path", "print", "rand", "utf8")] + flags,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
    return done.stderr.decode(errors="replace") if done.returncode else ""


def build_both(test, libc_test, scratch):
    """Two folders of programs, native and ours: `None` where they do not build; and what the compilers say."""
    made, said = [], []
    for compiler, kind in ((NATIVE_CC, "native"), ([CC], "ours")):
        folder = os.path.join(scratch, kind)
        os.mkdir(folder)
        here = kind == "ours"
        flags = [flag for flag in test.cflags if here or not flag.startswith("-D_WASI")] + ["-w"]
        # Libraries that only wasi-libc has, and layouts of a linear memory, are of the wasm program alone. A memory of five pages
        # has room for the stack that programs have there by default, and not for the one that they have here.
        flags += test.ldflags if here else ["-lm", "-pthread"] + ["-lcrypt"] * test.name.endswith("crypt")
        flags += ["-Wl,-z,stack-size=65536"] * any("--initial-memory" in flag for flag in flags)
        error = build(compiler, test.source, os.path.join(folder, "server.wasm"), libc_test, flags)
        if test.clients and not error:
            preamble = os.path.join(folder, "preamble.h")
            with open(preamble, "w", encoding="utf-8") as file:
                file.write(PREAMBLE if here else "")
            error = build(compiler, test.clients[0], os.path.join(folder, "client.wasm"), libc_test, flags + ["-include", preamble])
        made.append(None if error else folder)
        said.append(f"does not build: {error}" if error else "")
    return made, said


def passed(test, status, out, err):
    return status == 0 and bool(re.search(test.prints, out + err))


def names_the_root(test):
    """Whether a program makes files in the root, which natively is the machine's own."""
    with open(test.source, encoding="utf-8", errors="replace") as file:
        return "FS" in test.needs and bool(re.search(r'"/\w', file.read()))


def natively(test, folder, scratch):
    """In an empty folder, which also is what an argument `/` stands for: the suite mounts one there."""
    args = [scratch if arg == "/" else arg for arg in test.args]
    env = dict(os.environ, **dict(pair.split("=", 1) for pair in test.env))
    program = subprocess.Popen([os.path.join(folder, "server.wasm")] + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, cwd=scratch, env=env, bufsize=0)
    said, ends, clients = b"", [], []
    try:
        if test.clients:
            # A pipe keeps the server's line back until it ends, so the port is read from the kernel.
            port = listening_port(program)
            clients = [subprocess.Popen([os.path.join(folder, "client.wasm"), port], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, cwd=scratch) for _ in test.clients]
            for client in clients:
                said += client.communicate(timeout=LIMIT)[0]
                ends.append(client.returncode)
        said += program.communicate(timeout=LIMIT)[0]
        ends.append(program.returncode)
    finally:
        for process in [program] + clients:
            process.kill()
    return passed(test, 0 if not any(ends) else 1, said.decode(errors="replace"), ""), f"ends with {ends}\n{said.decode(errors='replace')}"


def listening_port(program):
    """The port on which a native program listens or, for datagrams, has bound; "none" when it ends before that."""
    until = time.monotonic() + 10
    while time.monotonic() < until and program.poll() is None:
        inodes = set()
        try:
            for fd in os.listdir(f"/proc/{program.pid}/fd"):
                inodes.update(re.findall(r"socket:\[(\d+)\]", os.readlink(f"/proc/{program.pid}/fd/{fd}")))
        except OSError:
            pass  # closed meanwhile, or the program has ended
        for table, state in (("tcp", "0A"), ("udp", "07")):
            with open(f"/proc/net/{table}", encoding="utf-8") as file:
                for line in list(file)[1:]:
                    words = line.split()
                    if words[9] in inodes and words[3] == state:
                        return str(int(words[1].split(":")[1], 16))
        time.sleep(0.01)
    return "none"


def here(test, folder, scratch):
    """In a cell of its own."""
    server = os.path.join(folder, "server.wasm")
    if not test.clients:
        # The root of a cell is not empty, so an argument `/` becomes a directory that is.
        dirs = [(os.path.join(scratch, "empty"), "/empty")] if "/" in test.args else []
        for host, _ in dirs:
            os.mkdir(host)
        args = ["/empty" if arg == "/" else arg for arg in test.args]
        status, out, err = run(server, args, dirs, dict(pair.split("=", 1) for pair in test.env), scratch)
        return passed(test, status, out, err), f"ends with {status}\n{out}{err}"
    port = "none" if test.source.endswith("/hello.c") else FIRST_PORT
    words = ["--name", "server", "--restart", "never", server]
    for number in range(len(test.clients)):
        words += ["--also", f"client{number}={os.path.join(folder, 'client.wasm')} {port}"]
    told, said = run_pair(words, len(test.clients) + 1, scratch)
    return not any(code for _, code in told[0]) and all(one == told[0] for one in told), f"the nodes tell {told}\n{said}"


def run_pair(words, programs, scratch):
    """Several programs in one cell: how they end, by the word of each node, and all that was printed."""
    data = os.path.join(scratch, "data")
    with open(os.path.join(scratch, "up.log"), "w+b") as log:
        cluster = subprocess.Popen([BINARY, "up", "--nodes", str(NODES), "--data", data] + words, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, cwd=scratch)
        try:
            told, until = [], time.monotonic() + LIMIT
            while len(told) < NODES and time.monotonic() < until and cluster.poll() is None:
                status = subprocess.run([BINARY, "status", os.path.join(data, f"node-{len(told) + 1}"), "--json"],
                                        capture_output=True, timeout=LIMIT, check=False)
                ends = json.loads(status.stdout)["ended"] if status.returncode == 0 else []
                if len(ends) == programs:
                    told.append([(end["process"], end["code"]) for end in ends])
                time.sleep(0.05)
        finally:
            cluster.send_signal(signal.SIGINT)
            cluster.wait(LIMIT)
        log.seek(0)
        said = log.read().decode(errors="replace")
    for stream in ("stdout", "stderr"):
        try:
            with open(os.path.join(data, f"node-1/{stream}.log"), encoding="utf-8", errors="replace") as file:
                said += file.read()
        except OSError:
            pass
    return told if len(told) == NODES else [[("no end", 1)]], said


def one(test, libc_test):
    """Both outcomes, natively and here, in words; and what was said."""
    with tempfile.TemporaryDirectory() as scratch:
        made, said = build_both(test, libc_test, scratch)
        outcomes = []
        for number, check in enumerate((natively, here)):
            if made[number] is None:
                outcomes.append(UNBUILT)
                continue
            if check is natively and names_the_root(test):
                outcomes.append("is not run")
                continue
            place = os.path.join(scratch, f"run-{number}")
            os.mkdir(place)
            try:
                good, said[number] = check(test, made[number], place)
            except subprocess.TimeoutExpired:
                good, said[number] = False, f"no end within {LIMIT} seconds"
            outcomes.append(PASSES if good else "fails")
        return outcomes, said


def main():
    wasi_libc, libc_test = map(os.path.abspath, sys.argv[1:3])
    only = sys.argv[4:]
    tests = [test for test in described(wasi_libc, libc_test) if not only or test.name in only]
    with open(PAGE, encoding="utf-8") as page:
        rows = re.findall(r"^\|((?: `[\w/-]+`)+) \|", page.read(), re.M)
    expected = {name for row in rows for name in re.findall(r"`([\w/-]+)`", row)}
    tally, failed = {"natively": [0, 0], "here": [0, 0]}, set()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for test, (outcomes, said) in zip(tests, pool.map(lambda test: one(test, libc_test), tests)):
            for count, outcome in zip(tally.values(), outcomes):
                count[0] += outcome != UNBUILT
                count[1] += outcome == PASSES
            if outcomes[1] != PASSES:
                failed.add(test.name)
            unexpected = (test.name in failed) != (test.name in expected)
            if unexpected or only or outcomes[0] != outcomes[1]:
                print(f"{test.name}: natively {outcomes[0]}, here {outcomes[1]}"
                      + (", and the page says otherwise" if unexpected else ""), flush=True)
            if unexpected or only:
                print(f"-- natively {said[0]}\n-- here {said[1]}", flush=True)
    for where, (builds, passes) in tally.items():
        print(f"{where}: of {len(tests)} tests {builds} build and {passes} pass")
    sys.exit(0 if tests and failed == (expected if not only else expected & set(only)) else 1)


if __name__ == "__main__":
    main()
