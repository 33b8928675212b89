"""What the clients of several ports share: lines over TCP, HTTP with what must differ taken out, static sites."""

import hashlib
import os
import re
import socket


class Lines:
    """A connection that sends bytes and reads lines or counted bytes."""

    def __init__(self, port, timeout=30):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the connection has ended")
        return line

    def exactly(self, count):
        data = self.file.read(count)
        if len(data) != count:
            raise ConnectionError("the connection has ended")
        return data

    def ask(self, data):
        self.send(data)
        return self.line()

    def close(self):
        self.file.close()
        self.socket.close()


def until_end(port, request, timeout=30):
    """Sends a request, and reads until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        answer = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return answer
            answer += piece


def first_answer(port, request, timeout=30):
    """Sends a request, and reads one whole response: for servers that keep connections whatever the client says."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(request)
        file = connection.makefile("rb")
        try:
            head, body = response(file, request.startswith(b"HEAD "))
        except ConnectionError as error:
            return str(error).encode()
        return head + body


def response(file, head_only=False):
    """One HTTP response from a connection that stays: head and body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = file.readline()
        if not line:
            raise ConnectionError(f"the connection ended in the head of a response: {head!r}")
        head += line
    if head_only or head.split(b" ")[1:2] == [b"304"]:
        return head, b""
    if re.search(rb"(?i)\ntransfer-encoding: *chunked", head):
        body = b""
        while True:
            size = file.readline()
            body += file.read(int(size, 16) + 2)[:-2]
            if int(size, 16) == 0:
                return head, body
    length = re.search(rb"(?i)\ncontent-length: *(\d+)", head)
    return head, file.read(int(length.group(1))) if length else b""


def settled(answer, port):
    """Takes out of an HTTP answer what no two runs have in common: dates, the port. An imported file has the date of its cell."""
    answer = re.sub(rb"(?i)\n(date|expires|last-modified|etag): [^\r\n]*", rb"\n\1: -", answer)
    return answer.replace(str(port).encode(), b"PORT")


# The requests to a static site: files of several types and sizes, what is missing, parts, conditions, other methods, bad ones.
TARGETS = [
    "/index.html", "/", "/sub/page.txt", "/style.css", "/big.bin", "/missing", "/sub", "/empty.txt",
    "/a%20b.txt", "/../etc/passwd", "/sub/../index.html", "/index.html?query=1", "/./index.html", "/%2e%2e/x",
]


def make_site(folder):
    site = folder / "site"
    (site / "sub").mkdir(parents=True)
    (site / "index.html").write_text("<!doctype html><title>one</title><p>hello\n")
    (site / "sub" / "page.txt").write_text("a page\n" * 146)
    (site / "style.css").write_text("p { color: red }\n")
    (site / "empty.txt").write_text("")
    (site / "a b.txt").write_text("a name with a blank\n")
    (site / "kilobyte.txt").write_text("0123456789abcde\n" * 64)
    (site / "big.bin").write_bytes(hashlib.shake_128(b"big").digest(3_000_000))
    same_times(site)


def same_times(folder):
    """Gives all files one date, so that what servers derive from it is the same."""
    for path in [folder, *folder.rglob("*")]:
        os.utime(path, (1_750_000_000, 1_750_000_000))


def site_transcript(port, fetch=until_end, listed=None):
    """The answers of a static site; bodies as digests. A body with `listed` in it lists a folder, in no order that is promised."""
    said = []

    def add(title, answer):
        head, _, body = settled(answer, port).partition(b"\r\n\r\n")
        if listed and listed in body:
            body = b"\n".join(sorted(body.splitlines()))
        said.append(b"## " + title.encode() + b"\n" + head + b"\nbody %d " % len(body) + hashlib.sha256(body).hexdigest().encode() + b"\n")

    def ask(title, text):
        add(title, fetch(port, text.encode()))

    close = "Host: test\r\nConnection: close\r\n"
    for method in ("GET", "HEAD"):
        for target in TARGETS:
            ask(f"{method} {target}", f"{method} {target} HTTP/1.1\r\n{close}\r\n")
    for value in ("bytes=0-9", "bytes=-5", "bytes=100-", "bytes=9999999-", "bytes=2999990-4000000"):
        ask(f"range {value}", f"GET /big.bin HTTP/1.1\r\n{close}Range: {value}\r\n\r\n")
    ask("1.0", "GET /index.html HTTP/1.0\r\n\r\n")
    ask("unmodified", f"GET /index.html HTTP/1.1\r\n{close}If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n\r\n")
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        file = connection.makefile("rb")
        for _ in range(3):
            connection.sendall(b"GET /kilobyte.txt HTTP/1.1\r\nHost: test\r\n\r\n")
            add("kept alive", b"".join(response(file)))
    return b"".join(said)


class SiteWriter:
    """For servers that store nothing: item n is a right answer to request n."""

    fetch = staticmethod(until_end)

    def __init__(self, port):
        self.port = port

    def write(self, _n):
        answer = self.fetch(self.port, b"GET /kilobyte.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == b"200", head
        assert body == b"0123456789abcde\n" * 64, f"body of {len(body)} bytes"


def site_check(port, _n):
    SiteWriter(port).write(0)
