"""mosquitto: MQTT 3.1.1 in bytes, so that every answer is seen; retained and queued messages live through deaths."""

import socket
import struct

GUEST_PORT = 1883


def prepare(folder, place, port):
    (folder / "db").mkdir()
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 0.0.0.0\nallow_anonymous true\npersistence true\npersistence_location {place}/db/\nautosave_interval 10\nautosave_on_changes true\nsys_interval 0\nuser root\n")


def arguments(folder, _port):
    return ["-c", f"{folder}/mosquitto.conf"]


def text(value):
    data = value.encode()
    return struct.pack(">H", len(data)) + data


class Client:
    """As much MQTT as is needed."""

    def __init__(self, port, name, clean=True, will=b"", flags=0, alive=60):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.number = 0
        self.send(0x10, text("MQTT") + bytes([4, (2 if clean else 0) | flags]) + struct.pack(">H", alive) + text(name) + will)
        self.greeting = self.packet()

    def send(self, kind, body):
        length, head = len(body), bytes([kind])
        while True:
            head += bytes([length % 128 | (128 if length > 127 else 0)])
            length //= 128
            if not length:
                break
        self.socket.sendall(head + body)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            piece = self.socket.recv(count - len(data))
            if not piece:
                raise ConnectionError("the broker has closed the connection")
            data += piece
        return data

    def packet(self):
        kind, length, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return kind, self.exactly(length)

    def next(self):
        self.number += 1
        return struct.pack(">H", self.number)

    def subscribe(self, topic, qos):
        self.send(0x82, self.next() + text(topic) + bytes([qos]))
        return self.packet()

    def publish(self, topic, body, qos=0, retain=False):
        self.send(0x30 | qos << 1 | retain, text(topic) + (self.next() if qos else b"") + body)
        said = []
        if qos == 1:
            said.append(self.packet())
        if qos == 2:
            said.append(self.packet())
            self.send(0x62, said[0][1])
            said.append(self.packet())
        return said

    def received(self):
        """The next message; the handshakes of earlier ones go on between."""
        while True:
            kind, body = self.packet()
            if kind == 0x62:
                self.send(0x70, body)
            if kind >> 4 != 3:
                continue
            qos, size = kind >> 1 & 3, struct.unpack(">H", body[:2])[0]
            if qos:
                self.send(0x40 if qos == 1 else 0x50, body[2 + size:4 + size])
            return kind, body

    def close(self):
        self.send(0xE0, b"")
        self.socket.close()


def transcript(port):
    said = []
    a = Client(port, "a")
    said.append(a.greeting)
    said += [a.subscribe("t/#", 2), a.subscribe("u/+", 1)]
    b = Client(port, "b")
    for qos in (0, 1, 2):
        said += b.publish("t/one", b"body %d" % qos, qos)
        said.append(a.received())
    said += b.publish("u/deep", b"z" * 70_000, 1)
    said.append(a.received())
    said += b.publish("kept", b"retained", 1, True)
    c = Client(port, "c", clean=False)
    said += [c.greeting, c.subscribe("kept", 1), c.received(), c.subscribe("queue", 2)]
    c.close()
    for n in range(5):
        said += b.publish("queue", b"while away %d" % n, 2)
    c = Client(port, "c", clean=False)
    said.append(c.greeting)
    said += [c.received() for _ in range(5)]
    dying = Client(port, "d", flags=0x04, will=text("t/will") + text("died"))
    said.append(dying.greeting)
    dying.socket.close()
    said.append(a.received())
    said += [Client(port, "", clean=False).greeting, Client(port, "e", flags=0x80, will=text("user")).greeting]
    a.send(0xC0, b"")
    while True:
        said.append(a.packet())  # before the answer to the ping, the rest of the handshakes
        if said[-1][0] == 0xD0:
            break
    a.send(0xA2, a.next() + text("t/#"))
    said.append(a.packet())
    taken = Client(port, "b")  # the second one of a name ends the first
    said.append(taken.greeting)
    try:
        said.append(b.packet())
    except ConnectionError as error:
        said.append(str(error))
    return "".join(f"{one!r}\n" if len(repr(one)) < 300 else f"{len(one[1])} bytes\n" for one in said).encode()


class Writer:
    """Messages of QoS 1, retained, each on a topic of its own."""

    def __init__(self, port):
        self.client = Client(port, "writer", alive=0)

    def write(self, n):
        assert self.client.publish(f"judged/{n}", b"item %d" % n, 1, True)[0][0] == 0x40


def check(port, n):
    client = Client(port, f"check{port}")
    client.subscribe("judged/#", 0)
    got = dict(client.received()[1][2:].split(b"item ") for _ in range(n))
    assert got == {b"judged/%d" % item: b"%d" % item for item in range(n)}
    client.close()
