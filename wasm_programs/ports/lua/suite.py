"""Lua's own tests, all of them as they are, in the mode for users (`_U=true`), natively and in a cell.

They hold for one version of Lua and are in no Debian package. lupa, a Python package, carries the sources of Lua with their
tests, so that very Lua is built here, both ways, rather than the one of the port."""

import os
import re
import subprocess
import tarfile

SOURCE = ("lupa-2.8.tar.gz", "d8022641b9ec8ecf2c5ecbe9f47e5a70e0b87c4b5ae921b92cb02a638e0acd08", "pypi:lupa==2.8")
FLAGS = ["-std=gnu99", "-O2", "-DLUA_USE_POSIX"]
NOT_LUA = {"ltests.c", "luac.c"}  # what only Lua's authors build


def run(judge, _module, _native, work):
    with tarfile.open(judge.fetch("lua", *SOURCE)) as archive:
        prefix = "lupa-2.8/third-party/lua54/"
        archive.extractall(work, [member for member in archive.getmembers() if member.name.startswith(prefix)])
    lua = work / prefix
    sources = sorted(file.name for file in lua.glob("l*.c") if file.name not in NOT_LUA)
    sdk = os.environ.get("REPLICODE_SDK") or str(judge.BUILD / "sdk")
    for compiler, product in (("cc", "native"), (f"{sdk}/bin/replicode-cc", "lua.wasm")):
        done = subprocess.run([compiler, *FLAGS, "-o", product, *sources, "-lm"], cwd=lua, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise judge.Failure(f"{compiler}: {done.stderr[-2000:]}")
    tests = lua / "testes"
    arguments = ["-e", "_U=true", "all.lua"]
    # the same, with a PATH, which a cell has only when it is given one
    cell = [judge.REPLICODE, "run", "../lua.wasm", "--data", str(work / "run"), "--env", "PATH=/bin", "--dir", ".:.", "--", *arguments]
    files = []
    for name, command in (("native", ["../native", *arguments]), ("in a cell", cell)):
        done = subprocess.run(command, cwd=tests, capture_output=True, text=True, errors="replace", timeout=600, check=False)
        said = done.stdout + done.stderr
        if done.returncode != 0 or "final OK" not in said:
            raise judge.Failure(f"{name}: exit code {done.returncode}\n{said[-3000:]}")
        files.append(re.findall(r"\*\*\*\*\* FILE '([^']+)'", said))
    if files[0] != files[1]:
        raise judge.Failure(f"not the same files of tests were run: natively {files[0]}, in a cell {files[1]}")
    judge.command("replay", work / "run")
    return f"{len(files[0])} files of its tests pass as natively, replayed"
