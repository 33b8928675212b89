"""redis, with its append-only file, Lua and SAVE: commands through redis-cli; counters that live through deaths."""

import subprocess

import judge
from clients import Lines

GUEST_PORT = 6379


def prepare(folder, _place, _port):
    (folder / "db").mkdir()


def arguments(folder, port):
    return ["--port", str(port), "--dir", f"{folder}/db", "--appendonly", "yes", "--save", "", "--protected-mode", "no", "--daemonize", "no"]


COMMANDS = """set a 1
incrby a 41
get a
append a xyz
strlen a
incr a
setrange s 5 hello
getrange s 0 -1
mset x 1 y 2 z 3
mget x y z none
lpush l 1 2 3 4
lrange l 0 -1
rpoplpush l m
linsert l before 3 new
lrange l 0 -1
sadd s1 a b c d
sadd s2 b c x
sinterstore s3 s1 s2
sort s3 alpha
scard s1
zadd z1 1 one 2.5 two 3 three
zrange z1 0 -1 withscores
zrangebyscore z1 (1 +inf
zincrby z1 10 one
hset h f1 v1 f2 v2
hincrbyfloat h n 0.1
hgetall h
expire a 1000
persist a
type z1
object encoding l
rename x xx
exists x xx
setbit bits 7 1
bitcount bits
pfadd hll a b c d e f
pfcount hll
geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
geodist g Palermo Catania km
xadd stream 1-1 field value
xrange stream - +
eval "return {KEYS[1], ARGV[1], redis.call('get', 'a'), #ARGV}" 1 key arg
eval "local t = {} for i = 1, 10 do t[i] = i * i end return cjson.encode(t)" 0
eval "return redis.pcall('nonsense')" 0
eval "error('from lua')" 0
eval "return struct.pack('>I4', 1) .. cmsgpack.pack({1,2})" 0
multi
dump missing
scan 0 match nothing count 1000
dbsize
save
config get maxmemory
nonsense
set
debug jmap
""".splitlines()


def ready(port):
    client = Lines(port, 2)
    return client.ask(b"PING\r\n") == b"+PONG\r\n"


def transcript(port):
    done = subprocess.run(["redis-cli", "-p", str(port), "--no-raw"], input="\n".join(COMMANDS) + "\n", capture_output=True, text=True, timeout=120, check=True)
    client = Lines(port)
    said = [done.stdout.encode()]
    client.send(b"MULTI\r\nINCR many\r\nINCR many\r\nEXEC\r\nSUBSCRIBE news\r\n")
    said.extend(client.line() for _ in range(12))
    other = Lines(port)
    said.append(other.ask(b"PUBLISH news hello\r\n"))
    said.extend(client.line() for _ in range(7))
    # A script without end: others are told so, and can end it.
    said.append(other.ask(b"CONFIG SET busy-reply-threshold 100\r\n"))
    endless = Lines(port)
    endless.send(b"EVAL \"while true do end\" 0\r\n")
    judge.eventually("a script without end to be noticed", 30, lambda: other.ask(b"EXISTS a\r\n").startswith(b"-BUSY"))
    said.append(other.ask(b"SCRIPT KILL\r\n"))
    said.append(endless.line())
    return b"".join(said).replace(str(port).encode(), b"PORT")


class Writer:
    """Now and then the append-only file is written anew, and everything is saved; both take a while to be found done."""

    def __init__(self, port):
        self.client = Lines(port)

    def write(self, n):
        assert self.client.ask(b"RPUSH judged item%d\r\n" % n) == b":%d\r\n" % (n + 1)
        if n % 50 == 20:
            answer = self.client.ask(b"BGREWRITEAOF\r\n")
            assert answer.startswith(b"+Background append only file rewriting") or b"already in progress" in answer, answer
        if n % 50 == 45:
            assert self.client.ask(b"SAVE\r\n") == b"+OK\r\n"


def check(port, n):
    client = Lines(port)
    assert client.ask(b"LRANGE judged 0 -1\r\n") == b"*%d\r\n" % n
    for item in range(n):
        client.line()
        assert client.line() == b"item%d\r\n" % item


def files(native, folder, n):
    """What the native program reads from the append-only file, and from what was saved last."""
    for appendonly in ("yes", "no"):
        port = judge.free_port()
        arguments = [port, "--dir", folder / "db", "--appendonly", appendonly, "--save", "", "--bind", "127.0.0.1"]
        server = judge.Program([str(native), "--port", *map(str, arguments)], folder / f"appendonly-{appendonly}.log")
        try:
            judge.eventually("the native program to read the cell's files", 30, lambda: server.alive() or ready(port))
            if appendonly == "yes":
                check(port, n)
            else:
                saved = int(Lines(port).ask(b"LLEN judged\r\n")[1:])
                assert saved % 50 == 46 and n - 50 <= saved <= n, f"{saved} items are in the file that was saved last, of {n}"
                check(port, saved)
        finally:
            server.stop(judge.signal.SIGKILL)
