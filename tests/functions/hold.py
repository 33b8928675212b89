"""What a server of functions has to bear for a long time: too long for each change, so the tests do a small part of it.

hold.py flat [--executions 10000000] [--cycles 10000]   memory, descriptors and mappings after many executions, loads and unloads
hold.py connections [--count 10000]                     so many at a time, some of which write and read slowly
hold.py all

Killing a server at random moments: REPLICODE_FN_KILLS=100 cargo test --release --workspace --test functions killed
Fuzzing the protocol: REPLICODE_FN_FUZZ=100000 cargo test --release --workspace --test functions whole_message

REPLICODE is the program. It ends with 1 and words when something is not as it must be.
"""

import argparse
import json
import os
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time

import served  # noqa: E402
from served import BUILD, PROGRAM  # noqa: E402


class Server(served.Server):
    def held(self):
        """Resident KiB, descriptors, mappings."""
        place = f"/proc/{self.process.pid}"
        with open(f"{place}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        with open(f"{place}/maps") as file:
            mappings = sum(1 for _ in file)
        return resident, len(os.listdir(f"{place}/fd")), mappings

    def stop(self):
        self.process.terminate()
        if self.process.wait(120) != 0:
            sys.exit(f"the server has ended with {self.process.returncode}")


def compare(what, before, after):
    print(f"{what}: {before[0]} to {after[0]} KiB resident, {before[1]} to {after[1]} descriptors, {before[2]} to {after[2]} mappings", flush=True)
    # What is warm after a tenth of the work is all that is ever needed; a page or two for whatever comes late.
    if after[0] > before[0] * 1.1 + 4096 or after[1] > before[1] + 2 or after[2] > before[2] * 1.05 + 32:
        sys.exit(f"{what}: it grows")


def flat(executions, cycles):
    with tempfile.TemporaryDirectory() as where:
        server = Server(where, "--sync", "never")
        for name in ("echo", "counter"):
            server.client.load(os.path.join(BUILD, f"fn-{name}.wasm"))

        def execute(count):
            done = 0
            while done < count:
                for name, more in (("fn-echo", []), ("fn-echo", ["--binary"]), ("fn-counter", ["--input", "1"])):
                    command = [PROGRAM, "fn", "bench", name, "--socket", server.path, "--seconds", "1", "--clients", "4", "--json", *more]
                    done += json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["executions"]
            return done

        execute(executions // 10)
        before = server.held()
        done = execute(executions)
        compare(f"{done} executions", before, server.held())

        with open(os.path.join(BUILD, "fn-uppercase.wasm"), "rb") as file:
            module = file.read()

        def cycle(count, first):
            for number in range(first, first + count):
                # A section of its own makes it another module.
                other = module + bytes([0, 6, 1, 110]) + number.to_bytes(4, "little")
                uuid = server.client.load(other, name="x")
                assert server.client.execute(uuid, b"a").output == b"A"
                server.client.unload(uuid)

        if cycles == 0:
            server.stop()
            return
        # Stores keep up to 64 instances that have ended, and those their code: it is full only after some hundreds.
        cycle(max(500, cycles // 10), 0)
        before = server.held()
        cycle(cycles, 1000 + cycles)
        compare(f"{cycles} loads and unloads", before, server.held())
        left = [len(os.listdir(os.path.join(where, "data", place))) for place in ("functions", "modules")]
        if left != [2, 2]:
            sys.exit(f"files are left: {left}")
        server.stop()


def connections(count):
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4 * count + 1000),) * 2)
    with tempfile.TemporaryDirectory() as where:
        server = Server(where)
        uuid = server.client.load(os.path.join(BUILD, "fn-reverse.wasm"))
        before = server.held()
        streams, wanted, ready = [], {}, selectors.DefaultSelector()
        for number in range(count):
            stream = socket.socket(socket.AF_UNIX)
            while True:
                try:
                    stream.connect(server.path)
                    break
                except BlockingIOError:
                    time.sleep(0.001)
            streams.append(stream)
        idle = server.held()
        print(f"{count} connections: {(idle[0] - before[0]) / count:.2f} KiB each", flush=True)
        # Half of each request, then half of each again: nobody waits for anybody.
        lines = [json.dumps({"id": number, "op": "execute", "uuid": uuid, "input": f"{number}-abc"}).encode() + b"\n" for number in range(count)]
        for cut in (0, 1, 2):
            for number, stream in enumerate(streams):
                line = lines[number]
                third = len(line) // 3
                stream.sendall(line[cut * third : (cut + 1) * third if cut < 2 else len(line)])
        for number, stream in enumerate(streams):
            stream.setblocking(False)
            ready.register(stream, selectors.EVENT_READ, number)
            wanted[number] = b""
        deadline = time.monotonic() + 300
        while wanted:
            if time.monotonic() > deadline:
                sys.exit(f"{len(wanted)} have no answer")
            for key, _ in ready.select(1):
                # One in ten reads a byte at a time.
                came = key.fileobj.recv(1 if key.data % 10 == 0 else 65536)
                if not came:
                    sys.exit(f"connection {key.data} has ended")
                wanted[key.data] += came
                if came.endswith(b"\n"):
                    answer = json.loads(wanted.pop(key.data))
                    expected = f"{key.data}-abc"[::-1]
                    if answer["id"] != key.data or answer["ok"]["output"] != expected:
                        sys.exit(f"connection {key.data} was answered {answer}")
                    ready.unregister(key.fileobj)
        for number, stream in enumerate(streams):
            if number % 2:
                stream.shutdown(socket.SHUT_WR)
            stream.close()
        while (left := server.client.request(op="stats")["connections"]) > 1:
            if time.monotonic() > deadline:
                sys.exit(f"{left} connections are left")
            time.sleep(0.01)
        print(f"{count} connections answered and gone", flush=True)
        server.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["flat", "connections", "all"])
    parser.add_argument("--executions", type=int, default=10_000_000)
    parser.add_argument("--cycles", type=int, default=10_000)
    parser.add_argument("--count", type=int, default=10_000)
    options = parser.parse_args()
    if options.what in ("flat", "all"):
        flat(options.executions, options.cycles)
    if options.what in ("connections", "all"):
        connections(options.count)


main()
