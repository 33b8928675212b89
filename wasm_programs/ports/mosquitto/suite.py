"""mosquitto's own tests of its broker, test/broker, as they are, with the broker in a cell; and paho-mqtt as a client.

The same is asked of the native broker first: what fails there, such as tests of TLS without TLS, tells nothing."""

import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys

# What a broker in a cell cannot do, and why.
NOT_HERE = {
    r"06-bridge-": "connects to another broker, outside the cell",
    r"04-retain-check-source\.py|09-acl-change": "sends SIGHUP",
}
PAHO = "paho-mqtt==2.1.0"
AT_ONCE = 3
FIRST_PORT = 21_000


def run_one(job):
    folder, script, count, first, environment = job
    ports = [str(first + n) for n in range(count)]
    child = subprocess.Popen([sys.executable, script, *ports], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said, _ = child.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        said = b"it did not end within 300 s"
    try:
        os.killpg(child.pid, signal.SIGKILL)  # brokers that a failed test left
    except ProcessLookupError:
        pass
    child.wait()
    return script, child.returncode == 0, said.decode(errors="replace")


def failing(folder, tests, **variables):
    environment = {**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"}
    failed = {}
    # Each test has four ports of its own; one that fails is tried again by itself, as they give a broker two seconds to start.
    jobs = [(folder, script, count, FIRST_PORT + 4 * n, environment) for n, (count, script) in enumerate(tests)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(run_one, jobs))
    for job, (script, good, _) in zip(jobs, results):
        if not good:
            _, good, said = run_one(job)
            if not good:
                failed[script] = said
    return failed


def with_paho(judge, module, native, work):
    """The port's own test, with paho's clients in the place of bytes."""
    work.mkdir()
    place = judge.BUILD / ".ports" / PAHO
    if not place.exists():
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", f"{place}.part", PAHO], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise judge.Failure(f"cannot install {PAHO}, the client: {done.stderr[-1000:]}")
        os.rename(f"{place}.part", place)
    sys.path[:0] = [str(place), str(judge.PORTS / "mosquitto" / "suite")]
    import with_paho as asked

    test = judge.load("mosquitto", "test")
    for name in ("transcript", "Writer", "check"):
        setattr(test, name, getattr(asked, name))
    want = judge.native_answers(test, native, work)
    told = [judge.on_nodes(test, module, native, count, work, want) for count in (1, 3)]
    return f"{PAHO}: {len(want.splitlines())} lines of answers; 1 node: {told[0]}; 3 nodes: {told[1]}"


def run(judge, module, native, work):
    told = with_paho(judge, module, native, work / "paho")
    source, suite = judge.BUILD / ".ports" / "native" / "mosquitto", judge.PORTS / "mosquitto" / "suite"
    tests = re.findall(r"(?m)^ *\((\d+), '\./([^']+)'\)", (source / "test" / "broker" / "test.py").read_text())
    tests = [(int(count), script) for count, script in tests if (source / "test" / "broker" / script).exists()]
    folders = {}
    for kind in ("native", "cell"):
        shutil.copytree(source / "test", work / kind / "test")
        (work / kind / "src").mkdir()
        folders[kind] = work / kind / "test" / "broker"
    shutil.copy(native, work / "native" / "src" / "mosquitto")
    shutil.copy(suite / "server.py", work / "cell" / "src" / "mosquitto")
    useless = failing(folders["native"], tests)
    asked = [(count, script) for count, script in tests if script not in useless and not any(re.match(name, script) for name in NOT_HERE)]
    worse = failing(folders["cell"], asked, REPLICODE=judge.REPLICODE, SUITE_MODULE=str(module), SUITE_DATA=str(work / "cells"))
    if worse:
        script, said = sorted(worse.items())[0]
        raise judge.Failure(f"{len(worse)} of {len(asked)} tests fail only in a cell: {' '.join(sorted(worse))}\n{script}:\n{said[-2000:]}")
    left = len(tests) - len(useless) - len(asked)
    return f"{told}; {len(asked)} of its {len(tests)} tests pass ({len(useless)} fail natively, too; {left} need what a cell has not)"
