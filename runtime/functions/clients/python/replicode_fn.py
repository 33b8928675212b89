"""A client of the function service, with the standard library only.

    from replicode_fn import Client
    with Client() as client:
        uuid = client.load("transform.wasm", name="transform")
        print(client.execute(uuid, b"hello", timeout_ms=500).output)

Requests can be sent without waiting: `client.send(...)` gives an id, `client.receive(id)` the answer.
"""

import base64
import json
import os
import socket
import struct
import uuid as uuids
from typing import NamedTuple

DEFAULT_SOCKET = "/tmp/wasm-core.sock"
LIMITS = ("timeout_ms", "memory_limit_mb", "fuel", "output_limit_mb")


class Failed(Exception):
    """What the server says about a request that failed; `code` is for programs."""

    def __init__(self, error):
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.code = error.get("code")
        self.message = error.get("message")
        self.stage = error.get("stage")
        self.fuel = error.get("fuel")
        self.logs = error.get("logs", [])


class Lost(Exception):
    """The connection ended before the answer came: whether the request was executed is unknown."""


class Answer(NamedTuple):
    output: bytes
    fuel: int
    us: float
    memory: int
    logs: list
    stages: list


def put_bytes(request, name, content):
    content = content.encode() if isinstance(content, str) else bytes(content)
    try:
        request[name] = content.decode()
    except UnicodeDecodeError:
        request[name + "_b64"] = base64.b64encode(content).decode()


def get_bytes(answer, name):
    if answer.get(name) is not None:
        return answer[name].encode()
    encoded = answer.get(name + "_b64")
    return None if encoded is None else base64.b64decode(encoded)


class Client:
    """A connection in JSON. Connects again for the next request when it has ended."""

    def __init__(self, path=None, timeout=None, token=None):
        self.path = path or os.environ.get("REPLICODE_FN_SOCKET") or DEFAULT_SOCKET
        self.timeout = timeout
        self.token = token
        self.socket = self.reader = None
        self.next = 1
        self.early = {}
        self.under_way = set()
        self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def connect(self):
        self.close()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(self.timeout)
        self.socket.connect(self.path)
        self.reader = self.socket.makefile("rb")
        if self.token is not None:
            # Whose the connection is to be; without, it is the user's.
            self.socket.sendall(json.dumps({"op": "hello", "token": self.token}).encode() + b"\n")
            answer = json.loads(self.reader.readline() or b'{"error":{"code":"lost"}}')
            if "error" in answer:
                self.close()
                raise Failed(answer["error"])

    def close(self):
        for part in (self.reader, self.socket):
            if part is not None:
                part.close()
        self.socket = self.reader = None
        # What was asked on a connection that is gone is answered on none.
        self.early = {}
        self.under_way = set()

    def send(self, request):
        """Sends a request without waiting. Returns its id."""
        if self.socket is None:
            self.connect()
        number = self.next
        self.next += 1
        line = json.dumps({**request, "id": number}, ensure_ascii=False).encode() + b"\n"
        try:
            self.socket.sendall(line)
        except BrokenPipeError:
            self.connect()
            self.socket.sendall(line)
        self.under_way.add(number)
        return number

    def receive(self, number):
        """Waits for the answer to a request."""
        while number not in self.early:
            if number not in self.under_way:
                raise Lost("the connection that it was sent on has ended, or it has been answered already")
            line = self.reader.readline() if self.reader else b""
            if not line.endswith(b"\n"):
                self.close()
                raise Lost("the connection ended before the answer came")
            answer = json.loads(line)
            if answer.get("id") is None:
                raise Failed(answer.get("error", {}))
            self.under_way.discard(answer["id"])
            self.early[answer["id"]] = answer
        answer = self.early.pop(number)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["ok"]

    def request(self, **fields):
        """Any request: request(op="ping")."""
        return self.receive(self.send(fields))

    def load(self, module, name=None, replace=False, state=None, program=None, **limits):
        """Loads a module, given as a path or as bytes. Returns its UUID. `program` makes it a program of WASI: a dict with
        `env`, `args`, and `files`, a list of {"path": ..., "text": ...}."""
        if not isinstance(module, (bytes, bytearray)):
            with open(module, "rb") as file:
                content = file.read()
            name = name or os.path.splitext(os.path.basename(module))[0]
        else:
            content = module
        request = {"op": "load", "wasm_b64": base64.b64encode(content).decode(), "replace": replace}
        if name is not None:
            request["name"] = name
        if state is not None:
            request["state"] = state
        if program is not None:
            request.update(program, kind="wasi")
        if limits:
            request["config"] = limits
        return self.request(**request)["uuid"]

    def _execution(self, request, content, logs, limits):
        unknown = set(limits) - set(LIMITS)
        if unknown:
            raise TypeError(f"unknown limits: {', '.join(sorted(unknown))}")
        put_bytes(request, "input", content)
        if limits:
            request["config"] = limits
        if logs:
            request["logs"] = True
        ok = self.request(**request)
        return Answer(get_bytes(ok, "output"), ok["fuel"], ok["us"], ok["memory"], ok.get("logs", []), ok.get("stages", []))

    def execute(self, function, content=b"", logs=False, **limits):
        """Executes a function, by name or UUID."""
        return self._execution({"op": "execute", "uuid": function}, content, logs, limits)

    def chain(self, functions, content=b"", logs=False, **limits):
        """Executes functions one behind the other."""
        return self._execution({"op": "chain", "uuids": list(functions)}, content, logs, limits)

    def unload(self, function, now=False):
        return self.request(op="unload", uuid=function, now=now)

    def list(self):
        return self.request(op="list")

    def get_state(self, function, key):
        return get_bytes(self.request(op="state", uuid=function, get=key), "value")


class FrameClient:
    """A connection in frames: execute and chain, by UUID."""

    REQUEST = struct.Struct("<IBBHQ16sIIQII")
    ANSWER = struct.Struct("<IBBHQQ")

    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.connect(path or os.environ.get("REPLICODE_FN_SOCKET") or DEFAULT_SOCKET)
        self.reader = self.socket.makefile("rb")
        self.socket.sendall(b"RFN1")

    def close(self):
        self.reader.close()
        self.socket.close()

    def send(self, number, functions, content=b"", timeout_ms=0, memory_limit_mb=0, fuel=0, output_limit_mb=0):
        """Sends an execution, or a chain when `functions` is a list."""
        if isinstance(functions, str):
            op, one, payload = 1, uuids.UUID(functions).bytes, content
        else:
            stages = b"".join(uuids.UUID(function).bytes for function in functions)
            op, one, payload = 2, bytes(16), bytes([len(functions)]) + stages + content
        head = self.REQUEST.pack(52 + len(payload), op, 0, 0, number, one, timeout_ms, memory_limit_mb, fuel, output_limit_mb, 0)
        self.socket.sendall(head + payload)

    def receive(self):
        """(id, status, fuel, payload) of the next answer; status 0 is success, else the payload says what is wrong."""
        head = self.reader.read(self.ANSWER.size)
        if len(head) < self.ANSWER.size:
            raise Lost("the connection ended before the answer came")
        length, status, _, _, number, fuel = self.ANSWER.unpack(head)
        return number, status, fuel, self.reader.read(length - 20)
