"""The JSON-RPC server: results, errors that travel as exceptions, a journal that is kept while nodes die."""

import json

from clients import Lines

GUEST_PORT = 4000


def prepare(folder, _place, _port):
    (folder / "journal").write_text('["old",{"kept":[1,2,3]}]\n')


def arguments(folder, port):
    return [str(port), f"{folder}/journal"]


def transcript(port):
    client = Lines(port)
    said = []
    for text in [
        '{"jsonrpc":"2.0","method":"get","params":["old"],"id":1}',
        '{"method":"set","params":["key",{"a":[true,false,null,1.5,-2e10,"x\\n\\"\\u0041"]}],"id":"two"}',
        '{"method":"get","params":["key"],"id":3}', '{"method":"get","params":["missing"],"id":4}',
        '{"method":"count"}', '{"method":"sum","params":[1,2.5,3e3],"id":5}', '{"method":"sum","params":[1,"2"],"id":6}',
        '{"method":"divide","params":[1,3],"id":7}', '{"method":"divide","params":[1,0],"id":8}',
        '{"method":"divide","params":[1],"id":9}', '{"method":"sort","params":["b","a",10,9,[],{}],"id":10}',
        '{"method":"nothing","id":11}', '{"id":12}', "", "{", "[1,2", '"text', "nul", "1.2.3", '{"method":5,"id":13}',
        "[" * 300, '{"method":"sum","params":' + json.dumps(list(range(5000))) + "}",
    ]:
        said.append(client.ask(text.encode() + b"\n"))
    client.send(b'{"method":"count","id":1}\n' * 50)  # many at once
    said.extend(client.line() for _ in range(50))
    client.close()
    return b"".join(said)


class Writer:
    def __init__(self, port):
        self.client = Lines(port)

    def call(self, method, *params):
        answer = json.loads(self.client.ask(json.dumps({"method": method, "params": params, "id": 1}).encode() + b"\n"))
        assert "result" in answer, answer
        return answer["result"]

    def write(self, n):
        assert self.call("set", f"item {n}", {"number": n}) is True


def check(port, n):
    client = Writer(port)
    for item in range(n):
        assert client.call("get", f"item {item}") == {"number": item}
    assert client.call("count") == n + 2
