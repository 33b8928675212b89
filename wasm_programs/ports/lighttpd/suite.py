"""lighttpd's own request tests, tests/*.t, as they are, with the server in a cell; the same is asked of the native build."""

import os
import re
import shutil
import subprocess

TESTS = ["request", "core-condition"]  # the other two start programs behind lighttpd, outside the cell
# What a test that fails in a cell must have in its text, and why it does.
NOT_HERE = {
    r"\.pl\b|/dynamic/": "scripts, which are children",
    r"symlink\.example": "links that are made in the host's folder while the server runs",
    r"\$tf_proxy": "a server behind lighttpd, outside the cell",
}


def results(folder, test, variables):
    """The points of one file of tests: (number, name) -> whether it holds."""
    # LightyTest.pm hands a listening socket down to lighttpd, except on systems where it cannot, and there it says so in a file.
    code = f'$^O = "MSWin32"; $0 = "./{test}.t"; do "./{test}.t"; print STDERR $@ if $@;'
    done = subprocess.run(["perl", "-I.", "-MLightyTest", "-MTest::More", "-e", code], cwd=folder, env={**os.environ, **variables}, capture_output=True,
                          text=True, errors="replace", timeout=300, check=False)
    points = {(int(number), name): not failed for failed, number, name in re.findall(r"(?m)^(not )?ok (\d+) - (.*)$", done.stdout)}
    if not points:
        raise OSError(f"{test}.t did not run: {done.stdout[-500:]}{done.stderr[-2000:]}")
    return points, done.stderr


def run(judge, module, native, work):
    source = judge.BUILD / ".ports" / "native" / "lighttpd"
    server = judge.PORTS / "lighttpd" / "suite" / "server.py"
    folders = {}
    for kind in ("native", "cell"):
        folders[kind] = work / kind / "tests"
        shutil.copytree(source / "tests", folders[kind])
        (work / kind / "src").mkdir()
        subprocess.run(["sh", "prepare.sh"], cwd=folders[kind], check=True, stdout=subprocess.DEVNULL)
    (work / "cells").mkdir()
    in_cell = {"REPLICODE": judge.REPLICODE, "SUITE_MODULE": str(module), "SUITE_DATA": str(work / "cells"), "LIGHTTPD_EXE_PATH": str(server)}
    passed = useless = 0
    missing, worse, why = {reason: 0 for reason in NOT_HERE.values()}, [], ""
    for test in TESTS:
        want, _ = results(folders["native"], test, {"LIGHTTPD_EXE_PATH": str(native)})
        got, said = results(folders["cell"], test, in_cell)
        if [name for name in want] != [name for name in got]:
            raise judge.Failure(f"{test}.t has {len(want)} points with the native server and {len(got)} with the one in a cell:\n{said[-2000:]}")
        # the text of each point: from the one before to its own
        texts = re.split(r"(?m)^\s*ok\(", (source / "tests" / f"{test}.t").read_text())
        at = 0
        for point, good in want.items():
            name = point[1].replace("\\#", "#")
            here = next((n for n in range(at + 1, len(texts)) if name in texts[n].partition(";")[0]), None)
            text, at = (texts[here - 1] + texts[here].partition(";")[0], here) if here else ("", at)
            reason = next((reason for pattern, reason in NOT_HERE.items() if re.search(pattern, text)), None)
            if not good:
                useless += 1
            elif got[point]:
                passed += 1
            elif reason:
                missing[reason] += 1
            else:
                worse.append(f"{test} {point[0]} {point[1]}")
                why = said
    if worse:
        raise judge.Failure("fail only in a cell: " + "; ".join(worse) + "\n" + why[-3000:])
    told = ", ".join(f"{count} need {reason}" for reason, count in missing.items())
    return f"{passed} points of its tests hold ({useless} fail natively, too; {told})"
