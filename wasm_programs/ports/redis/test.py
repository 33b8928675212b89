"""redis, with its append-only file, Lua and SAVE: commands through redis-cli; counters that live through deaths."""

import subprocess

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
    return b"".join(said).replace(str(port).encode(), b"PORT")


class Writer:
    def __init__(self, port):
        self.client = Lines(port)

    def write(self, n):
        assert self.client.ask(b"RPUSH judged item%d\r\n" % n) == b":%d\r\n" % (n + 1)


def check(port, n):
    client = Lines(port)
    assert client.ask(b"LRANGE judged 0 -1\r\n") == b"*%d\r\n" % n
    for item in range(n):
        client.line()
        assert client.line() == b"item%d\r\n" % item
