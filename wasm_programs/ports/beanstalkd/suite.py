"""beanstalkd's own tests, testserv.c as it is, with the server in a cell; the native program is put to the same."""

import os
import re
import shutil
import subprocess

# What a server in a cell cannot be asked by these tests, and why.
NOT_HERE = {
    "cttest_put_in_drain": "sets a variable of the server before it starts",
    "cttest_peek_ok_unix": "sockets of the host's file system",
    "cttest_unix_auto_removal": "sockets of the host's file system",
    "cttest_job_size_max_plus_1": "sends 1 GiB, which a cell would keep in its log",
    "cttest_binlog_v5": "wants an old version of the server",
    "cttest_binlog_disk_full": "replaces a function of the server",
    "cttest_binlog_disk_full_delete": "replaces a function of the server",
}
WRAPPED = ["make_server_socket", "srv_acquire_wal", "srvserve", "connect", "stat"]


def failing(source, suite, **variables):
    done = subprocess.run([source / "ct" / "_ctcheck"], capture_output=True, text=True, errors="replace", timeout=900, check=False,
                          env={**os.environ, "SUITE_SERVER": str(suite / "server.py"), **variables})
    failed = set(re.findall(r"(?m)^(cttest_\w+): (?:failure|error)", done.stdout))
    if not failed and "PASS" not in done.stdout:
        raise OSError(f"the tests did not run: {done.stdout[-500:]}{done.stderr[-500:]}")
    return failed, done.stdout


def run(judge, module, native, work):
    suite, source = judge.PORTS / "beanstalkd" / "suite", work / "source"
    shutil.copytree(judge.BUILD / ".ports" / "native" / "beanstalkd", source)
    flags = " ".join(f"-Wl,--wrap={name}" for name in WRAPPED)
    for command in (["cc", "-I", ".", "-O1", "-g", "-c", str(suite / "in_front.c"), "-o", "in_front.o"],
                    ["make", "USE_SYSTEMD=no", "TOFILES=testserv.o", f"LDFLAGS=in_front.o {flags}", "ct/_ctcheck"]):
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise judge.Failure(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-2000:]}")
    names = set(re.findall(r"(?m)^(cttest_\w+)\(", (source / "testserv.c").read_text()))
    want, _ = failing(source, suite, SUITE_NATIVE=str(native))
    got, said = failing(source, suite, SUITE_MODULE=str(module), REPLICODE=judge.REPLICODE)
    if want - set(NOT_HERE):
        raise judge.Failure(f"fail with the native server, too: {' '.join(sorted(want - set(NOT_HERE)))}")
    worse = got - set(NOT_HERE)
    if worse:
        raise judge.Failure(f"fail only in a cell: {' '.join(sorted(worse))}\n{said[-3000:]}")
    return f"{len(names - set(NOT_HERE))} of its {len(names)} tests pass; left out are {', '.join(sorted(NOT_HERE))}"
