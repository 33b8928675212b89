#!/usr/bin/env python3
"""What lighttpd's own tests start in the place of lighttpd (LIGHTTPD_EXE_PATH): `replicode run` with their folder imported under
its own name, and the variables that their configuration asks for."""

import os
import pathlib
import sys
import tempfile

replicode, module = os.environ["REPLICODE"], os.environ["SUITE_MODULE"]
command = [replicode, "run", module, "--data", tempfile.mkdtemp(dir=os.environ["SUITE_DATA"])]
if "-f" in sys.argv:
    folder, port = os.environ["SRCDIR"], os.environ["PORT"]
    # the file that the tests write where a listening socket cannot be handed down
    bind = pathlib.Path(folder, "tmp", "bind.conf")
    bind.write_text(bind.read_text().replace("127.0.0.1", "0.0.0.0"))
    command += ["--publish", port, "--dir", f"{folder}:{folder}"]
    for name in ("SRCDIR", "PORT", "PERL", "EPHEMERAL_PORT", "condition_include_file", "env_test"):
        if name in os.environ:
            command += ["--env", f"{name}={os.environ[name]}"]
os.execv(replicode, [*command, "--", *sys.argv[1:]])
