#!/usr/bin/env python3
"""Stands where mosquitto's own tests look for the broker, src/mosquitto, and runs it in a cell: `-v -p PORT`, or `-v -c FILE`.

The folder of the test is the cell's root. SIGTERM does not reach a program in a cell, so what a broker would save at its
end is kept in its memory: with `persistence` in its configuration, the next start of the same test goes on with the same cell."""

import os
import pathlib
import re
import shutil
import sys

OPEN = "user root\nallow_anonymous true\n"  # a cell has no other users; without a file mosquitto listens to the cell only


def main():
    replicode, module, data = os.environ["REPLICODE"], os.environ["SUITE_MODULE"], pathlib.Path(os.environ["SUITE_DATA"])
    words, ports, file = sys.argv[1:], [], None
    for word, value in zip(words, words[1:]):
        if word == "-p":
            ports.append(value)
        if word == "-c":
            file = value
    if file:
        text = "user root\n" + pathlib.Path(file).read_text()
        ports += re.findall(r"(?m)^\s*(?:port|listener)\s+(\d+)", text)
    else:
        text = OPEN + "".join(f"listener {port} 0.0.0.0\n" for port in ports)
    place = data / f"{os.getppid()}-{ports[0]}"
    if not re.search(r"(?m)^\s*persistence\s+true", text):
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True, exist_ok=True)
    own = f"suite-{ports[0]}.conf"
    (place / own).write_text(text)
    command = [replicode, "run", module, "--name", "mosquitto", "--data", str(place / "data"), "--dir", f"{os.getcwd()}:.", "--dir", f"{place / own}:/{own}"]
    for port in dict.fromkeys(ports):
        command += ["--publish", port]
    more = [word for word in words if word == "-v"] + ([w for port in ports for w in ("-p", port)] if file and "-p" in words else [])
    os.execv(replicode, command + ["--", *more, "-c", f"/{own}"])


if __name__ == "__main__":
    main()
