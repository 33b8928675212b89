"""Checks proofs of contracts' state; written from docs/formats/contract-state.md alone, with Python's own library.

Each line of the standard input: {"question": {...}, "anchor": ["root" or "digest", HEX], "proof": HEX}. Each line of the
output: "ok HEX", "ok absent", or "fails: WHY".
"""
import json
import struct
import sys

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
SHUFFLE = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)


def compress(cv, block, counter, length, flags):
    m = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    v = list(cv) + list(IV[:4]) + [counter & 0xFFFFFFFF, counter >> 32, length, flags]
    for _ in range(7):
        for (a, b, c, d), x, y in zip(LANES, m[::2], m[1::2]):
            for word, one, two in ((x, 16, 12), (y, 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                v[d] ^= v[a]
                v[d] = (v[d] >> one | v[d] << 32 - one) & 0xFFFFFFFF
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                v[b] ^= v[c]
                v[b] = (v[b] >> two | v[b] << 32 - two) & 0xFFFFFFFF
        m = [m[i] for i in SHUFFLE]
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def blake3(data, key=None):
    start, flags = (IV, 0) if key is None else (struct.unpack("<8I", key), 16)

    def over(data, counter, root):
        if len(data) <= 1024:
            cv, blocks = start, [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
            for i, block in enumerate(blocks):
                last = i + 1 == len(blocks)
                cv = compress(cv, block, counter, len(block), flags | (i == 0) | last * (2 | root * 8))
            return cv
        left = 1024 << ((len(data) - 1) // 1024).bit_length() - 1
        both = over(data[:left], counter, 0) + over(data[left:], counter + left // 1024, 0)
        return compress(start, struct.pack("<16I", *both), 0, 64, flags | 4 | root * 8)
    return struct.pack("<8I", *over(data, 0, 1))


KEYS = {name: blake3(b"replicode contracts 1: " + name.encode())
        for name in "key leaf node block span page element account receipt batch".split()}
ZERO = bytes(32)


def hashed(name, *parts):
    return blake3(b"".join(parts), KEYS[name])


class Wrong(Exception):
    pass


def need(true, why):
    if not true:
        raise Wrong(why)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "the proof is too short")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def bytes(self):
        return self.take(self.number(4))

    def option(self, read):
        tag = self.number(1)
        need(tag < 2, "an option is 0 or 1")
        return read() if tag else None


def bit(key, at):
    return key[at // 8] >> 7 - at % 8 & 1


def rise(reader, root, clear, value):
    """Reads a path and follows it from the value, or from where it is missing, up to the root."""
    key = hashed("key", clear)
    steps = [(reader.number(1), reader.take(32)) for _ in range(reader.number(4))]
    need(all(a[0] < b[0] for a, b in zip(steps, steps[1:])), "the bits of a path grow")
    end = reader.number(1)
    if end == 2:
        need(value is None and not steps and root == ZERO, "the tree is not empty")
        return
    if end == 1:
        other, stands = reader.take(32), reader.take(32)
        need(value is None and other != key, "it is there, or should be")
        need(all(bit(key, at) == bit(other, at) for at, _ in steps), "the way is another key's")
        below = hashed("leaf", other, stands)
    else:
        need(end == 0 and value is not None, "it is there, or the path is of no kind")
        below = hashed("leaf", key, value)
    for at, beside in reversed(steps):
        two = (beside, below) if bit(key, at) else (below, beside)
        below = blake3(two[0] + two[1], KEYS["node"][:31] + bytes([at]))
    need(below == root, "the path leads to another root")


def content(reader, root, clear, domain):
    need(reader.levels > 0 and reader.number(1) == 0, "a level is missing or of another kind")
    reader.levels -= 1
    found = reader.option(reader.bytes)
    rise(reader, root, clear, None if found is None else hashed(domain, found))
    return found


def account(reader, root, address):
    found = content(reader, root, address, "account")
    need(found is None or len(found) >= 53 and found[:21] == b"\1" + address, "not the account's content")
    return found


def piece(reader, root, address, index, offset, length):
    end = offset + length
    need(end <= 65536, "no page is so long")
    found = account(reader, root, address)
    if found is None:
        return bytes(length)
    need(reader.levels > 0 and reader.number(1) == 1, "a level is missing or of another kind")
    reader.levels -= 1
    out = bytearray(length)

    def page():
        size, data = reader.number(4), reader.bytes()
        need(size <= 65536, "no page is so long")
        beside = [reader.take(32) for _ in range(reader.number(4))]
        count = -(-size // 64)
        first, last = min(offset // 64, count), -(-min(end, size) // 64)
        last = max(first, last) if length else first
        need(len(data) == min(last * 64, size) - min(first * 64, size), "the blocks have another length")
        for at in range(len(data)):
            if 0 <= first * 64 + at - offset < length:
                out[first * 64 + at - offset] = data[at]

        def over(start, stop):
            if stop <= first or last <= start or first == last:
                if start == stop:
                    return ZERO
                need(beside, "a hash beside the blocks is missing")
                return beside.pop(0)
            if stop - start == 1:
                return hashed("block", data[(start - first) * 64:(start - first + 1) * 64])
            middle = start + (1 << (stop - start - 1).bit_length() - 1)
            return hashed("span", over(start, middle), over(middle, stop))
        top = over(0, count)
        need(not beside, "there are too many hashes beside the blocks")
        return hashed("page", address, struct.pack("<II", index, size), top) if size else ZERO

    rise(reader, found[21:53], struct.pack("<I", index), reader.option(page))
    return bytes(out)


def element(reader, root, address, index, offset, keys):
    state, found = piece(reader, root, address, index, offset, 32), None
    for at, key in enumerate(keys):
        if state == ZERO:
            return None
        found = content(reader, state, key, "element")
        if found is None:
            return None
        front = struct.pack("<H", len(key)) + key
        need(found.startswith(front), "not the element's content")
        if at + 1 < len(keys):
            rest = found[len(front):]
            need(len(rest) == 65 and 2 <= rest[0] <= 5, "the element is no collection")
            state = rest[33:]
    return found


def verify(question, anchor, proof):
    reader = Reader(bytes.fromhex(proof))
    need(reader.number(1) == 1, "another version")
    batch = reader.option(lambda: [reader.take(8)] + [reader.take(32) for _ in range(3)])
    kind, known = anchor[0], bytes.fromhex(anchor[1])
    need((batch is not None) == (kind == "digest"), "the proof leads to something else")
    need(batch is None or hashed("batch", *batch) == known, "the batch has another digest")
    root, receipts = (batch[2], batch[3]) if batch else (known, None)
    reader.levels = reader.number(4)
    address = bytes.fromhex(question.get("address", ""))
    place = question.get("page"), question.get("offset")
    if question["kind"] == "receipt":
        need(receipts is not None, "receipts are below a digest only")
        answer = content(reader, receipts, bytes.fromhex(question["transaction"]), "receipt")
    elif question["kind"] == "account":
        answer = account(reader, root, address)
    elif question["kind"] == "slice":
        answer = piece(reader, root, address, *place, question["length"])
    else:
        need(question["keys"], "no key is asked for")
        answer = element(reader, root, address, *place, [bytes.fromhex(key) for key in question["keys"]])
    need(reader.levels == 0 and reader.at == len(reader.data), "there is too much in the proof")
    return answer


if __name__ == "__main__":
    for line in sys.stdin:
        try:
            said = verify(**json.loads(line))
            print("ok", "absent" if said is None else said.hex())
        except Wrong as why:
            print("fails:", why)
