#!/usr/bin/env python3
"""What in_front.c runs in the place of a server: `replicode run` of $SUITE_MODULE, with the binlog imported and, at the end,
copied out again; or the native program $SUITE_NATIVE."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys


def bring_out(cell, folder):
    got = cell / "wal"
    shutil.rmtree(got, ignore_errors=True)
    subprocess.run([os.environ["REPLICODE"], "files", cell / "data", "cp", "/wal", got], check=True, stdout=subprocess.DEVNULL)
    for file in got.glob("binlog.*"):
        shutil.copy(file, folder)
    for file in folder.glob("binlog.*"):
        if not (got / file.name).exists():
            file.unlink()


def main():
    sync, folder = sys.argv[1] == "--sync", pathlib.Path(sys.argv[2])
    native = os.environ.get("SUITE_NATIVE")
    cell = folder / "cell"
    if sync:
        if not native:
            bring_out(cell, folder)
        return
    port, options = sys.argv[1], sys.argv[3:]
    wal = options and options[-1] == "-b"
    if native:
        os.execv(native, [native, "-l", "127.0.0.1", "-p", port, *options, *([str(folder)] if wal else [])])
    shutil.rmtree(cell, ignore_errors=True)
    (cell / "given").mkdir(parents=True)
    for file in folder.glob("binlog.*"):
        shutil.copy(file, cell / "given")
    run = [os.environ["REPLICODE"], "run", os.environ["SUITE_MODULE"], "--data", cell / "data", "--publish", f"{port}:11300"]
    run += ["--dir", f"{cell}/given:/wal", "--", "-l", "0.0.0.0", "-p", "11300", *options, *(["/wal"] if wal else [])]

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
    server = subprocess.Popen(run, preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGCHLD}))
    if signal.sigwait({signal.SIGTERM, signal.SIGCHLD}) == signal.SIGTERM:
        if wal:
            bring_out(cell, folder)
        server.send_signal(signal.SIGINT)
    sys.exit(server.wait())


if __name__ == "__main__":
    main()
