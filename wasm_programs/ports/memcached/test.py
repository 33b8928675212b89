"""memcached: its text protocol word for word; items that live through deaths."""

import re

from clients import Lines

GUEST_PORT = 11211


def arguments(_folder, port):
    return ["-u", "root", "-l", "0.0.0.0", "-p", str(port), "-U", "0", "-t", "1", "-m", "64",
            "-o", "no_lru_maintainer,no_lru_crawler,no_slab_reassign,no_hashexpand"]


def transcript(port):
    client, said = Lines(port), []

    def ask(text, more=lambda line: line.startswith((b"VALUE", b"STAT"))):
        client.send(text.encode())
        while True:
            line = client.line()
            said.append(line)
            if line.startswith(b"VALUE"):
                said.append(client.exactly(int(line.split()[3]) + 2))
            if not more(line):
                return

    big = "v" * 100_000
    for text in [
        "set a 5 0 5\r\nhello\r\n", "get a\r\n", "gets a missing\r\n", "add a 0 0 1\r\nx\r\n", "add b 0 0 1\r\n1\r\n", "incr b 41\r\n", "decr b 100\r\n",
        "incr a 1\r\n", "append a 0 0 6\r\n world\r\n", "prepend a 0 0 1\r\n>\r\n", "get a b\r\n", "replace c 0 0 1\r\nx\r\n", "cas a 0 0 1 999\r\nx\r\n",
        "delete a\r\n", "delete a\r\n", "touch b 100\r\n", "gat 100 b\r\n", "set e 0 -1 1\r\nx\r\n", "get e\r\n", f"set big 0 0 100000\r\n{big}\r\n", "get big\r\n",
        "mg b v t f\r\n", "ms d 3 T0\r\nabc\r\n", "mn\r\n", "verbosity 0\r\n", "flush_all\r\n", "get b\r\n", "nonsense\r\n", "version\r\n", "get " + "k" * 251 + "\r\n",
    ]:
        if text.startswith("mg"):
            client.send(text.encode())
            said.append(re.sub(rb"t\d+", b"t-", client.line()))
            said.append(client.line())
        else:
            ask(text)
    client.send(b"set quiet 0 0 1 noreply\r\nq\r\nget quiet\r\nquit\r\n")
    said.append(client.file.read())
    return b"".join(said)


class Writer:
    def __init__(self, port):
        self.client = Lines(port)

    def write(self, n):
        assert self.client.ask(b"add item%d 0 0 5\r\n%05d\r\n" % (n, n)) == b"STORED\r\n"


def check(port, n):
    client = Lines(port)
    for item in range(n):
        assert client.ask(b"get item%d\r\n" % item) == b"VALUE item%d 0 5\r\n" % item
        assert client.exactly(12) == b"%05d\r\nEND\r\n" % item
