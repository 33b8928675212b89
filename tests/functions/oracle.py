"""What functions must answer, computed by Python; asked over the socket with the Python client.

oracle.py SOCKET SEED ROUNDS      prints how many answers were compared; exit code 1 and the first difference otherwise
"""

import hashlib
import json
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../runtime/functions/clients/python"))
from replicode_fn import Client, FrameClient  # noqa: E402


def swapcase(content):
    return bytes(b ^ 0x20 if 65 <= b <= 90 or 97 <= b <= 122 else b for b in content)


def uppercase(content):
    return content.decode().upper().encode()


def word_count(content):
    counts = {}
    for word in content.split():
        counts[word] = counts.get(word, 0) + 1
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return b"".join(b"%d %s\n" % (count, word) for word, count in ordered)


def json_filter(content):
    request = json.loads(content)
    items = [{k: v for k, v in item.items() if k in request["keep"]} if isinstance(item, dict) else item for item in request["items"]]
    return json.dumps(items, separators=(",", ":"), ensure_ascii=False).encode()


def some_bytes(rng, size):
    return rng.randbytes(size)


def some_text(rng, size):
    # Letters whose capitals are the same in all versions of Unicode.
    alphabet = "abcxyz ABC ßéüñ жя 09\t\n\"\\"
    return "".join(rng.choices(alphabet, k=size)).encode()[:size].decode(errors="ignore").encode()


def some_words(rng, size):
    return b" ".join(rng.choice([b"a", b"b", b"word", b"\xff\x00", b"x" * 30]) for _ in range(size // 4))


def some_json(rng, size):
    def value(depth):
        kind = rng.randrange(6 if depth < 3 else 4)
        if kind == 0:
            return rng.randrange(-(2**60), 2**60)
        if kind == 1:
            return rng.choice([True, False, None])
        if kind in (2, 3):
            return "".join(rng.choices("abé\"\\\n/ж", k=rng.randrange(8)))
        if kind == 4:
            return [value(depth + 1) for _ in range(rng.randrange(4))]
        return {rng.choice("abcdefg"): value(depth + 1) for _ in range(rng.randrange(5))}

    items = [value(0) for _ in range(max(1, size // 40))]
    return json.dumps({"keep": rng.sample("abcdefg", 3), "items": items}, ensure_ascii=rng.random() < 0.5).encode()


ORACLES = {
    "echo": (lambda content: content, some_bytes),
    "reverse": (lambda content: content[::-1], some_bytes),
    "reverse-c": (lambda content: content[::-1], some_bytes),
    "hash": (lambda content: hashlib.sha256(content).hexdigest().encode(), some_bytes),
    "transform": (swapcase, some_bytes),
    "uppercase": (uppercase, some_text),
    "uppercase-c": (lambda content: bytes(b - 32 if 97 <= b <= 122 else b for b in content), some_bytes),
    "word-count": (word_count, some_words),
    "json-filter": (json_filter, some_json),
}


def main():
    path, seed, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    rng = random.Random(seed)
    compared = 0
    frames = FrameClient(path)
    with Client(path) as client:
        known = {function["name"]: function["uuid"] for function in client.list()}
        for turn in range(rounds):
            size = rng.choice([0, 1, 7, 100, 4000, 65535, 65536, 65537, 1 << 20][: 9 if turn % 10 == 0 else 5])
            for name, (oracle, source) in ORACLES.items():
                content = source(rng, size)
                expected = oracle(content)
                answer = client.execute(name, content)
                frames.send(turn, known[name], content)
                framed = frames.receive()
                for found in (answer.output, framed[3]):
                    if found != expected:
                        sys.exit(f"{name} of {content[:80]!r} ({len(content)} bytes): {found[:80]!r}, expected {expected[:80]!r}")
                if framed[:3] != (turn, 0, answer.fuel):
                    sys.exit(f"{name}: the frame says {framed[:3]}, JSON says fuel {answer.fuel}")
                compared += 2
            chain = rng.choices(["echo", "reverse", "transform", "hash", "uppercase-c"], k=rng.randrange(1, 9))
            content = expected = some_bytes(rng, size)
            for name in chain:
                expected = ORACLES[name][0](expected)
            answer = client.chain(chain, content)
            frames.send(turn, [known[name] for name in chain], content)
            framed = frames.receive()
            if answer.output != expected or framed[3] != expected or len(answer.stages) != len(chain):
                sys.exit(f"the chain {chain} of {content[:80]!r}: {answer.output[:80]!r}, expected {expected[:80]!r}")
            compared += 2
    print(compared)


main()
