"""A server of functions for what measures or burdens one: REPLICODE is the program."""

import os
import subprocess
import sys
import time

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "runtime/functions/clients/python"))
from replicode_fn import Client  # noqa: E402

PROGRAM = os.environ.get("REPLICODE", os.path.join(ROOT, "target/release/replicode"))
BUILD = os.path.join(ROOT, "wasm_programs/build")


class Server:
    def __init__(self, where, *arguments):
        self.path = os.path.join(where, "s")
        command = [PROGRAM, "fn", "serve", "--socket", self.path, "--data", os.path.join(where, "data"), *arguments]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        while True:
            try:
                self.client = Client(self.path, timeout=120)
                return
            except OSError:
                if self.process.poll() is not None:
                    sys.exit("the server has ended")
                time.sleep(0.001)
