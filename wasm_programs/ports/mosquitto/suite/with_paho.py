"""What mosquitto is asked through paho-mqtt, the MQTT client that most programs in Python use: versions 3.1.1 and 5."""

import queue

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

WAIT = 30


class Client:
    """A client with its own thread, what it was told in a queue."""

    def __init__(self, port, name, version=mqtt.MQTTv311, will=None, keep=False, properties=None):
        fresh = {} if version == mqtt.MQTTv5 else {"clean_session": not keep}
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=version, **fresh)
        self.told, self.got = queue.Queue(), queue.Queue()
        self.mqtt.on_connect = lambda client, data, flags, reason, properties: self.told.put(("connected", flags.session_present, str(reason)))
        self.mqtt.on_subscribe = lambda client, data, mid, reasons, properties: self.told.put(("subscribed", *map(str, reasons)))
        self.mqtt.on_unsubscribe = lambda client, data, mid, reasons, properties: self.told.put(("unsubscribed",))
        self.mqtt.on_message = lambda client, data, message: self.got.put(message)
        if will:
            self.mqtt.will_set(*will)
        self.mqtt.reconnect_delay_set(1, 1)
        more = {"clean_start": not keep, "properties": properties} if version == mqtt.MQTTv5 else {}
        self.mqtt.connect("127.0.0.1", port, 60, **more)
        self.mqtt.loop_start()
        self.greeting = self.told.get(timeout=WAIT)

    def subscribe(self, *args, **kwargs):
        self.mqtt.subscribe(*args, **kwargs)
        return self.told.get(timeout=WAIT)

    def publish(self, *args, **kwargs):
        sent = self.mqtt.publish(*args, **kwargs)
        sent.wait_for_publish(WAIT)
        assert sent.is_published(), f"{args[0]} was not acknowledged"

    def message(self):
        message = self.got.get(timeout=WAIT)
        about = message.properties.json() if message.properties else {}
        body = message.payload if len(message.payload) < 100 else len(message.payload)
        return message.topic, body, message.qos, message.retain, sorted(about.items())

    def quiet(self):
        """Nothing more has come when this client's own message has."""
        return self.got.empty()

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def vanish(self):
        """As a client whose machine dies."""
        self.mqtt.on_disconnect = None
        self.mqtt.socket().shutdown(2)
        self.mqtt.loop_stop()


def for_version(port, version, name, said):
    one = Client(port, f"{name} one", version)
    two = Client(port, f"{name} two", version, (f"{name}/will", b"gone", 1, False))
    said += [one.greeting, two.greeting, one.subscribe([(f"{name}/#", 2), (f"{name}-only/+/x", 0)])]
    for qos in (0, 1, 2):
        two.publish(f"{name}/a/{qos}", b"q%d" % qos, qos)
        said.append(one.message())
    two.publish(f"{name}-only/1/x", "text", 2)
    said.append(one.message())
    two.publish(f"{name}/big", b"b" * 300_000, 1)
    said.append(one.message())
    for n in range(200):
        two.mqtt.publish(f"{name}/many", b"%d" % n, n % 3)
    got = [one.message() for _ in range(200)]
    for qos in (0, 1, 2):  # order is kept for each quality
        said.append([body for _, body, at, _, _ in got if at == qos])
    two.publish(f"{name}/kept", b"1", 1, True)
    said.append(one.message())
    late = Client(port, f"{name} late", version)
    said += [late.subscribe(f"{name}/kept", 1), late.message()]
    two.publish(f"{name}/kept", b"", 1, True)
    said += [late.message(), one.message()]
    late.mqtt.unsubscribe(f"{name}/kept")
    said.append(late.told.get(timeout=WAIT))
    late.close()
    two.vanish()
    said.append(one.message())
    one.close()


def transcript(port):
    said = []
    for version, name in ((mqtt.MQTTv31, "v31"), (mqtt.MQTTv311, "v311"), (mqtt.MQTTv5, "v5")):
        for_version(port, version, name, said)
    # a session that waits for its client
    away = Client(port, "away", keep=True)
    said += [away.greeting, away.subscribe("away/#", 2)]
    away.close()
    other = Client(port, "other")
    for n in range(20):
        other.publish(f"away/{n}", b"%d" % n, n % 3)
    away = Client(port, "away", keep=True)
    said += [away.greeting, sorted(away.message() for _ in range(13))]  # those of quality 0 are not kept
    away.close()
    # what version 5 has
    five = Client(port, "five", mqtt.MQTTv5)
    said += [five.greeting, five.subscribe("p", options=SubscribeOptions(qos=1, noLocal=False, retainAsPublished=True))]
    about = Properties(PacketTypes.PUBLISH)
    about.UserProperty = [("one", "1"), ("two", "2")]
    about.ContentType, about.ResponseTopic, about.CorrelationData, about.PayloadFormatIndicator = "text/plain", "answer", b"\0\1", 1
    five.publish("p", b"with properties", 1, True, properties=about)
    said.append(five.message())
    said.append(five.subscribe("own", options=SubscribeOptions(qos=0, noLocal=True)))
    five.publish("own", b"not for me", 0)
    five.publish("p", b"the next one", 1)
    said += [five.message(), five.quiet()]
    share = [Client(port, f"share {n}", mqtt.MQTTv5) for n in range(2)]
    said += [one.subscribe("$share/group/work", 1) for one in share]
    for n in range(10):
        five.publish("work", b"%d" % n, 1)
    for one in share:
        said.append([one.message()[1] for _ in range(5)])
    for one in (five, other, *share):
        one.close()
    return "".join(f"{one!r}\n" for one in said).encode()


class Writer:
    """Messages of quality 2, retained, each on a topic of its own; paho sends again what was not acknowledged."""

    def __init__(self, port):
        self.client = Client(port, "writer", keep=True)

    def write(self, n):
        self.client.publish(f"judged/{n}", b"item %d" % n, 2, True)


def check(port, n):
    client = Client(port, f"check {port}")
    client.subscribe("judged/#", 1)
    got = dict(client.message()[:2] for _ in range(n))
    assert got == {f"judged/{item}": b"item %d" % item for item in range(n)}
    client.close()
