"""beanstalkd: its protocol word for word; jobs in its binlog while nodes die."""

import re

from clients import Lines

GUEST_PORT = 11300


def prepare(folder, _place, _port):
    (folder / "wal").mkdir()


def arguments(folder, port):
    return ["-l", "0.0.0.0", "-p", str(port), "-b", f"{folder}/wal", "-f", "0"]


def transcript(port):
    client, said = Lines(port), []

    def ask(text):
        client.send(text.encode())
        line = client.line()
        said.append(line)
        counted = re.match(rb"(?:RESERVED|FOUND|OK)(?: \d+)? (\d+)\r\n", line)
        if counted:
            body = client.exactly(int(counted.group(1)) + 2)
            # what tells of time, of the process and of the machine
            body = re.sub(rb"(?m)^(pid|uptime|rusage-\w+|id|version|hostname|os|platform|age|time-left): .*$", rb"\1: -", body)
            if body.startswith(b"---") and b": -\n" in body:
                said[-1] = b"OK -\r\n"  # their length differs with them
            said.append(body)

    for text in [
        "list-tubes\r\n", "list-tube-used\r\n", "list-tubes-watched\r\n",
        "put 10 0 60 5\r\nhello\r\n", "put 1 0 60 3\r\nnow\r\n", "put 0 100 60 5\r\nlater\r\n", "put 5 0 60 0\r\n\r\n",
        "reserve-with-timeout 0\r\n", "touch 2\r\n", "stats-job 2\r\n", "bury 2 7\r\n", "peek-buried\r\n", "kick 10\r\n", "peek-ready\r\n",
        "reserve\r\n", "release 2 3 0\r\n", "peek-delayed\r\n", "delete 2\r\n", "delete 2\r\n", "kick-job 3\r\n", "peek 1\r\n", "peek 99\r\n",
        "use other\r\n", "put 1 0 60 4\r\njob!\r\n", "watch other\r\n", "ignore default\r\n", "ignore other\r\n", "reserve-job 1\r\n",
        "reserve-with-timeout 0\r\n", "reserve-with-timeout 0\r\n", "stats-tube other\r\n", "stats-tube nothing\r\n", "pause-tube other 0\r\n",
        "release 5 1 0\r\n", "list-tubes\r\n", "stats\r\n",
        "nonsense\r\n", "put a b c d\r\n", "put 1 0 1 4\r\ntoo long\r\n", "reserve-with-timeout x\r\n", "use -bad\r\n", "put 1 0 1 70000\r\n" + "x" * 70000 + "\r\n",
        "put 4294967295 0 1 65535\r\n" + "y" * 65535 + "\r\n", "peek-ready\r\n",
    ]:
        ask(text)
        if text.startswith("put 1 0 1 4\r\ntoo"):
            said.append(client.line())  # what is left of the job is an unknown command
    # a second connection gets a job when the first one goes
    other = Lines(port)
    other.send(b"watch other\r\n")
    said.append(other.line())
    client.send(b"put 1 0 60 4\r\nlast\r\n")
    said.append(client.line())
    client.close()
    other.send(b"reserve-with-timeout 2\r\n")
    said.append(other.line())
    other.close()
    return b"".join(said)


class Writer:
    def __init__(self, port):
        self.client = Lines(port)
        assert self.client.ask(b"use judged\r\n") == b"USING judged\r\n"

    def write(self, n):
        body = b"item %d" % n
        answer = self.client.ask(b"put 0 0 60 %d\r\n%s\r\n" % (len(body), body))
        assert answer.startswith(b"INSERTED "), answer


def check(port, n):
    client = Lines(port)
    line = client.ask(b"stats-tube judged\r\n")
    stats = client.exactly(int(line.split()[1]) + 2)
    ready = int(re.search(rb"current-jobs-ready: (\d+)", stats).group(1))
    assert ready == n, f"{ready} jobs are ready, not {n}"
    assert client.ask(b"watch judged\r\n") == b"WATCHING 2\r\n"
    assert client.ask(b"ignore default\r\n") == b"WATCHING 1\r\n"
    for item in range(n):  # reserved only: when this client goes, all are ready again
        line = client.ask(b"reserve-with-timeout 0\r\n")
        assert line.startswith(b"RESERVED"), line
        body = client.exactly(int(line.split()[2]) + 2)
        assert body == b"item %d\r\n" % item, f"{body!r} in the place of item {item}"
    client.close()
    for _ in range(100):  # until the server has seen that the client is gone
        client = Lines(port)
        line = client.ask(b"stats-tube judged\r\n")
        stats = client.exactly(int(line.split()[1]) + 2)
        client.close()
        if b"current-jobs-ready: %d\n" % n in stats:
            return
    raise AssertionError("the jobs of a client that went are not ready again")
