"""redis' own tests, as it runs them against a server that somebody else has started; what fails is put to the native program, too."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MEMORY = pathlib.Path("/dev/shm")

# Not in the list, as all that they do needs a server that the tests start, stop and configure themselves: integration, cluster, moduleapi
# and sentinel tests, acl, acl-v2, aofrw, auth, client-eviction, cluster-scripting, limits, maxmemory, memefficiency,
# networking, obuf-limits, oom-score-adj, pendingquerybuf, pubsubshard, shutdown, tls, wait.
UNITS = """
    bitfield bitops dump expire functions geo hyperloglog info-command introspection introspection-2 keyspace latency-monitor lazyfree multi
    other pause protocol pubsub querybuf quit replybufsize scan scripting slowlog sort tracking violations
    type/hash type/incr type/list type/list-2 type/list-3 type/set type/stream type/stream-cgroups type/string type/zset
""".split()

# What a server in a cell cannot be asked by single tests, and why.
NOT_HERE = {
    "CONFIG SET rollback on apply error": "wants a port that another program of the host holds; ports of a cell are its own",
    "LATENCY of expire events are correctly collected": "wants a cycle that takes a millisecond; no time passes while a batch is worked on",
    "SRANDMEMBER with a dict containing long chain": "makes a child that saves wait 35 minutes for each key, and goes on meanwhile; here it is the server that saves",
}


class Server:
    """As redis' own CI starts a server for these tests."""

    GUEST_PORT = 6379

    @staticmethod
    def arguments(_folder, port):
        return ["--port", str(port), "--protected-mode", "no", "--save", "", "--repl-diskless-sync", "no",
                "--enable-protected-configs", "yes", "--enable-debug-command", "yes", "--enable-module-command", "yes"]


def results(source, port, unit, judge, limit):
    """The tests of a unit that passed, and those that did not with what was said."""
    # Ports of the tests' own are looked for from `--baseport` on, up to 8,000 higher. `timeout` ends the tests' processes as well.
    command = ["timeout", str(limit), "./runtest", "--host", "127.0.0.1", "--port", str(port),
               "--baseport", str(20_000 + judge.free_port() % 20_000), "--durable", "--single", f"unit/{unit}"]
    for name in NOT_HERE:
        command += ["--skiptest", name]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, errors="replace", check=False)
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    passed = re.findall(r"(?m)^\[ok\]: (.*) \(\d+ ms\)$", said)
    failed = dict(re.findall(r"(?m)^\[(?:err|exception|timeout)\]: ?(.*?)(?: in tests/.*)?\n((?:.*\n){0,4})", said))
    if done.returncode != 0 and not failed:
        failed[f"(the end of {unit}: {done.returncode})"] = said[-600:]
    return passed, failed


def in_a_cell(source, unit, judge, module, limit):
    """In memory, where there is one for files: a hundred thousand requests, one after the other, are about redis and not about a disk."""
    with tempfile.TemporaryDirectory(prefix="replicode-suite-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        cell = pathlib.Path(folder)
        (cell / "own").mkdir()
        nodes = judge.Nodes(module, Server, 1, cell, cell / "own")
        try:
            found = results(source, nodes.port(1), unit, judge, limit)
            nodes.up.alive()
        except (judge.Failure, SystemError, OSError) as error:
            raise judge.Failure(f"{unit}: {error}\n{nodes.troubles()}") from error
        finally:
            nodes.stop()
        judge.command("replay", nodes.folder(1))
        return found


def natively(source, unit, judge, native, work, limit):
    port, here = judge.free_port(), work / unit.replace("/", "-")
    here.mkdir()
    program = judge.Program([str(native), *Server.arguments(None, port)], work / "native.log", cwd=here)
    try:
        judge.eventually("the native program to answer", 30, lambda: judge.socket.create_connection(("127.0.0.1", port), 2).close() or True)
        return results(source, port, unit, judge, limit)
    finally:
        program.stop(judge.signal.SIGKILL)


def run(judge, module, native, work):
    source = work / "source"
    shutil.copytree(judge.BUILD / ".ports" / "native" / "redis", source, symlinks=True)
    shutil.copy(native, source / "src" / "redis-server")
    for name in ("redis-cli", "redis-benchmark"):
        (source / "src" / name).unlink(missing_ok=True)
        (source / "src" / name).symlink_to(shutil.which(name))
    units = os.environ.get("SUITE_UNITS", "").split() or UNITS
    limit = int(os.environ.get("SUITE_LIMIT", "600"))

    worse, both, count = [], set(), 0
    for unit in units:
        passed, failed = in_a_cell(source, unit, judge, module, limit)
        # The native program is asked where something fails here.
        failed_there = natively(source, unit, judge, native, work, limit)[1] if failed else {}
        count += len(passed)
        both |= set(failed) & set(failed_there)
        only = {name: said for name, said in failed.items() if name not in failed_there}
        worse += [f"{unit}: {name}" for name in only]
        told = "".join(f"\n            {name}: {said}" for name, said in only.items())
        print(f"        {unit}: {len(passed)} pass" + (f", {len(failed) - len(only)} fail natively, too" if failed else "")
              + (f", {len(only)} only in a cell:{told}" if only else ""), file=sys.stderr, flush=True)
    if worse:
        raise judge.Failure(f"fail only in a cell: {', '.join(worse)}")
    return (f"{count} tests of {len(units)} units pass, replayed; left out are {', '.join(sorted(NOT_HERE)) or 'none of them'}"
            + (f"; fail natively, too: {', '.join(sorted(both))}" if both else ""))
