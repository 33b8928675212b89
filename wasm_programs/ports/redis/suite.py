"""redis' own tests, as it runs them against a server that somebody else has started; the native program is put to the same."""

import os
import re
import shutil
import subprocess
import sys

# Those that ask an external server for something. Not in the list, as all that they do needs a server that the tests start, stop and
# configure themselves: integration, cluster, moduleapi and sentinel tests, acl, acl-v2, aofrw, auth, cluster-scripting, limits, maxmemory,
# obuf-limits, oom-score-adj, pendingquerybuf, pubsubshard, shutdown, tls.
UNITS = """
    bitfield bitops client-eviction dump expire functions geo hyperloglog info-command introspection introspection-2 keyspace
    latency-monitor lazyfree memefficiency multi networking other pause protocol pubsub querybuf quit replybufsize scan scripting slowlog sort
    tracking type/hash type/incr type/list type/list-2 type/list-3 type/set type/stream type/stream-cgroups type/string type/zset violations wait
""".split()

# What a server in a cell cannot be asked by single tests, and why.
NOT_HERE = {
}


class Server:
    """As redis' own CI starts a server for these tests. Scripts that never end look at nothing but the clock, to see whether it is enough."""

    GUEST_PORT = 6379
    EXTRA = ["--limit", "clock_calls=1000"]

    @staticmethod
    def arguments(_folder, port):
        return ["--port", str(port), "--protected-mode", "no", "--save", "", "--repl-diskless-sync", "no",
                "--enable-protected-configs", "yes", "--enable-debug-command", "yes", "--enable-module-command", "yes"]


def results(source, port, unit, judge, limit):
    """The tests of a unit that passed, and those that did not with what was said."""
    command = ["./runtest", "--host", "127.0.0.1", "--port", str(port), "--baseport", str(judge.free_port()), "--durable", "--single", f"unit/{unit}"]
    for name in NOT_HERE:
        command += ["--skiptest", name]
    try:
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, errors="replace", timeout=limit, check=False)
        said, ended = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout), done.returncode
    except subprocess.TimeoutExpired as error:
        said, ended = re.sub(r"\x1b\[[0-9;]*m", "", (error.stdout or b"").decode(errors="replace")), "time"
    passed = re.findall(r"(?m)^\[ok\]: (.*) \(\d+ ms\)$", said)
    failed = dict(re.findall(r"(?m)^\[(?:err|exception|timeout)\]: ?(.*?)(?: in tests/.*)?\n((?:.*\n){0,4})", said))
    if ended != 0 and not failed:
        failed[f"(the end of {unit}: {ended})"] = said[-600:]
    return passed, failed


def run(judge, module, native, work):
    source = work / "source"
    shutil.copytree(judge.BUILD / ".ports" / "native" / "redis", source, symlinks=True)
    shutil.copy(native, source / "src" / "redis-server")
    for name in ("redis-cli", "redis-benchmark"):
        (source / "src" / name).unlink(missing_ok=True)
        (source / "src" / name).symlink_to(shutil.which(name))
    units = os.environ.get("SUITE_UNITS", "").split() or UNITS
    limit = int(os.environ.get("SUITE_LIMIT", "600"))

    port = judge.free_port()
    here = work / "native"
    here.mkdir()
    program = judge.Program([str(native), *Server.arguments(None, port)], work / "native.log", cwd=here)
    (work / "own").mkdir()
    nodes = judge.Nodes(module, Server, 1, work, work / "own")
    told, worse, both, count = [], {}, set(), 0
    try:
        for unit in units:
            _, failed_there = results(source, port, unit, judge, limit)
            program.alive()
            passed, failed = results(source, nodes.port(1), unit, judge, limit)
            nodes.up.alive()
            count += len(passed)
            both |= set(failed_there)
            only = {name: said for name, said in failed.items() if name not in failed_there}
            worse.update({f"{unit}: {name}": said for name, said in only.items()})
            told.append(unit)
            print(f"        {unit}: {len(passed)} pass" + (f", {len(failed_there)} fail natively" if failed_there else "")
                  + (f", {len(only)} only in a cell" if only else ""), file=sys.stderr, flush=True)
    except (judge.Failure, SystemError, OSError) as error:
        raise judge.Failure(f"{error}\n{nodes.troubles()}") from error
    finally:
        program.stop(judge.signal.SIGKILL)
        nodes.stop()
    if worse:
        raise judge.Failure("fail only in a cell:\n" + "\n".join(f"{name}\n    {said}" for name, said in worse.items()))
    judge.command("replay", nodes.folder(1))
    return (f"{count} tests of {len(told)} units pass, replayed; left out are {', '.join(sorted(NOT_HERE)) or 'none of them'}"
            + (f"; fail natively, too: {', '.join(sorted(both))}" if both else ""))
