#!/usr/bin/env python3
"""Sends the same requests to kv and to redis-server and compares the replies byte by byte.

    compare_with_redis.py KV_PORT REDIS_PORT

Both databases are emptied; start redis-server with --databases 1. Replies whose order is not defined (KEYS, SMEMBERS, ...) are compared sorted.
"""
import socket
import sys

# One request per line, split at spaces; "" is an empty argument, \\n and \\r are bytes. A trailing ~ compares sorted.
REQUESTS = r"""
PING | PING x | PING a b | ping | ECHO hi | ECHO | SELECT 0 | SELECT 99999 | SELECT abc | FOO bar baz | FOO
GET | GET a b | GET none | SET | SET a | SET a 1 | GET a | SET a "" | GET a | STRLEN a | STRLEN none
SET a b XX NX | SET a b NX XX | SET a b EX | SET a b EX 0 | SET a b EX -1 | SET a b EX abc | SET a b PX 0 | SET a b FOO
SET a b EX 10 PX 10 | SET a b KEEPTTL EX 10 | SET a b EX 9223372036854775807 | SET a b PX 9223372036854775807
SET a b EX 100 | TTL a | SET a c KEEPTTL | TTL a | SET a d | TTL a | SET a e PX 100000 | TTL a | GETSET a f | TTL a
SET nx 1 NX | SET nx 2 NX | GET nx | SET xx 1 XX | GET xx | SET nx 3 XX | GET nx | SET nx 4 GET | SET nope 5 GET
SET nx 6 NX GET | GET nx | SET g EXAT 1 | SET g v EXAT 1 | GET g | SET g v PXAT 99999999999999 | TTL g x
SETNX s1 a | SETNX s1 b | GET s1 | SETEX s2 100 v | TTL s2 | GET s2 | SETEX s2 0 v | SETEX s2 x v | SETEX s2 1
PSETEX s3 100000 v | TTL s3 | PSETEX s3 0 v | PSETEX s3 -5 v | SETEX s2 -1 v
MSET | MSET a | MSET a 1 b | MSET a 1 b 2 c 3 | MGET a b c none | MGET
GETSET a | GETSET fresh v | GETDEL fresh | GETDEL fresh | EXISTS fresh
APPEND ap hello | APPEND ap world | GET ap | STRLEN ap | APPEND ap ""
INCR n | INCR n | DECR n | INCRBY n 10 | DECRBY n 3 | INCRBY n x | INCRBY n 1.5 | INCRBY n | GET n | TYPE n
SET n 9223372036854775807 | INCR n | INCRBY n 1 | DECR n | SET n -9223372036854775808 | DECR n | DECRBY n 1 | INCR n
SET n 9223372036854775808 | INCR n | SET n 007 | INCR n | SET n -0 | INCR n | SET n +1 | INCR n | SET n " 1" | INCR n
SET n "" | INCR n | SET n abc | INCR n | SET n 5 | DECRBY n -9223372036854775808 | DECRBY n -5 | INCRBY n -20
INCRBY n -9223372036854775808
EXISTS a b none a | DEL a none b | EXISTS a | DEL | EXISTS | UNLINK c | TYPE none | TYPE | DEL n n
LPUSH l a b c | RPUSH l d e | LLEN l | LRANGE l 0 -1 | LRANGE l 1 2 | LRANGE l -2 -1 | LRANGE l -100 100 | LRANGE l 3 1
LRANGE l 5 10 | LRANGE l 4 4 | LRANGE l x 1 | LRANGE l 0 x | LRANGE none 0 -1 | LRANGE l 0 | LRANGE l -1 -2 | LRANGE l 0 -100
LINDEX l 0 | LINDEX l -1 | LINDEX l 99 | LINDEX l -99 | LINDEX l x | LINDEX none 0
LPOP l | RPOP l | LPOP l 2 | LPOP l 0 | LPOP l -1 | LPOP l x | LPOP none | LPOP none 2 | LPOP none 0 | LPOP l 1 2 | RPOP l 99
EXISTS l | TYPE l | RPOP l | LPUSHX l a | RPUSHX l a | LPUSH l | RPUSH l x | LPUSHX l y | RPUSHX l z | LRANGE l 0 -1 | TYPE l
HSET h | HSET h f | HSET h f v | HSET h f w g x | HSET h a 1 b | HGET h f | HGET h none | HGET none f | HGET h | HLEN h | HLEN none
HGETALL h~ | HGETALL none | HKEYS h~ | HVALS h~ | HMGET h f none g | HMGET none a b | HEXISTS h f | HEXISTS h z | HMSET h k v
HMSET h k | HMSET h k v j | HINCRBY h cnt 5 | HINCRBY h cnt -7 | HINCRBY h f 1 | HINCRBY h cnt x | HINCRBY hnew c 1 | HDEL h f zz | HDEL h
HSET hm c 9223372036854775807 | HINCRBY hm c 1 | HDEL hm c | EXISTS hm | TYPE h | HDEL none x
SADD s a b c a | SADD s a | SADD s | SCARD s | SCARD none | SISMEMBER s a | SISMEMBER s z | SISMEMBER none a | SMEMBERS s~ | SMEMBERS none
SREM s a z | SREM s | SREM none x | SPOP s 0 | SPOP s -1 | SPOP s x | SPOP s 1 2 | SPOP s 10~ | EXISTS s | SPOP s | SPOP s 3 | SADD one x | SPOP one
EXISTS one | TYPE one | SADD s 1 2 3 | TYPE s
SET str v | LPUSH str a | LLEN str | LRANGE str 0 1 | LPOP str | HSET str a b | HGET str a | HGETALL str | HLEN str | SADD str a | SPOP str
SCARD str | SMEMBERS str | SISMEMBER str a | GET l | INCR l | APPEND l x | STRLEN l | GETSET l x | GETDEL l | SET l x GET | HSET l a b
SADD l a | LPUSH h a | LPUSH s a | MGET l h s str | INCRBY h 1 | HINCRBY l a 1 | LINDEX str 0 | LPUSHX str a | HMGET str a | HEXISTS str a
SREM str a | HDEL str a | SET l now-a-string | GET l | SET h x NX | TYPE h | SETNX h x
EXPIRE none 10 | EXPIRE str 100 | TTL str | PERSIST str | PERSIST str | TTL str | PERSIST none | TTL none | PTTL none | PTTL str
EXPIRE str x | EXPIRE str | EXPIRE str 100 FOO | EXPIRE str 100 NX XX | EXPIRE str 100 GT LT | EXPIRE str 100 XX | EXPIRE str 100 GT
EXPIRE str 100 NX | EXPIRE str 50 NX | EXPIRE str 50 GT | TTL str | EXPIRE str 200 GT | TTL str | EXPIRE str 300 LT | EXPIRE str 50 LT | TTL str
EXPIRE str 9223372036854775807 | EXPIRE str 9223372036854775 | PEXPIRE str 9223372036854775807 | EXPIRE str -9223372036854775808
PEXPIRE str 100000 | TTL str | EXPIRE str -1 | EXISTS str | SET str v | PEXPIRE str 0 | EXISTS str
FLUSHALL FOO | FLUSHALL a b | DBSIZE x | FLUSHALL | DBSIZE | SET key1 a | SET key2 b | SET other c | LPUSH keyl x | DBSIZE
KEYS *~ | KEYS key?~ | KEYS k[a-f]y*~ | KEYS k[^e]y*~ | KEYS *e*r*~ | KEYS key[12]~ | KEYS \key1~ | KEYS none* | KEYS | KEYS key[2-1]~
SCAN 0 COUNT 1000~ | SCAN 0 MATCH key* COUNT 1000~ | SCAN 0 TYPE list COUNT 1000~ | SCAN 0 TYPE string MATCH o* COUNT 1000~
SCAN abc | SCAN 0 COUNT 0 | SCAN 0 COUNT x | SCAN 0 FOO 1 | SCAN 0 MATCH | SCAN | SCAN 0 TYPE nothing COUNT 1000
FLUSHDB | KEYS * | SCAN 0 | CONFIG GET save | CONFIG GET appendonly | CONFIG GET none | CONFIG GET | CONFIG FOO | CONFIG | COMMAND FOO
COMMAND DOCS nosuchcommand | CONFIG GET databases x | SELECT 1
FOO\r\nBAR a\nb | GETRANGEXYZ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cc
"""

# Raw bytes, each on its own connection: what comes back until the server closes or falls silent.
RAW = [
    b"PING\r\n",
    b"\r\n\r\nPING\r\n",
    b"  PING  \r\n",
    b"PING\n",
    b'SET "a b" "x\\x41\\n\\"y"\r\nGET "a b"\r\n',
    b"SET 'a b' 'it\\'s'\r\nGET 'a b'\r\n",
    b'SET "a b\r\n',
    b'SET "a"b c\r\n',
    b"*0\r\nPING\r\n",
    b"*-1\r\nPING\r\n",
    b"*a\r\n",
    b"*1\r\nPING\r\n",
    b"*1\r\n$a\r\n",
    b"*1\r\n$-5\r\nPING\r\n",
    b"*99999999999\r\n",
    b"*2147483648\r\n",
    b"*2\r\n$4\r\nECHO\r\n$99999999999\r\n",
    b"*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n",
    b"*1\r\n$4\r\nQUIT\r\n*1\r\n$4\r\nPING\r\n",
    b"*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    b"x" * 70000,
    b"*" + b"1" * 70000,
    b"*1\r\n$" + b"1" * 70000,
]


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.file = self.socket.makefile("rb")

    def ask(self, args):
        request = b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(a), a) for a in args)
        self.socket.sendall(request)
        return self.read()

    def read(self):
        line = self.file.readline()
        if line[:1] == b"*":
            return (line, [self.read() for _ in range(max(0, int(line[1:])))])
        if line[:1] == b"$" and line != b"$-1\r\n":
            return (line, self.file.read(int(line[1:]) + 2))
        return (line,)


def parse(text):
    text = text.strip()
    in_any_order = text.endswith("~")
    args = []
    for word in text.removesuffix("~").replace('" 1"', "\0").split(" "):
        word = {'""': "", "\0": " 1"}.get(word, word)
        args.append(word.replace("\\r", "\r").replace("\\n", "\n").encode())
    return args, in_any_order


def in_order(reply):
    if len(reply) == 2 and isinstance(reply[1], list):
        return (reply[0], sorted(map(in_order, reply[1]), key=repr))
    return reply


def raw(port, data):
    s = socket.create_connection(("127.0.0.1", port))
    s.settimeout(0.3)
    s.sendall(data)
    reply = b""
    try:
        while chunk := s.recv(65536):
            reply += chunk
        reply += b"(closed)"
    except TimeoutError:
        pass
    except ConnectionResetError:
        reply += b"(closed)"
    return reply


def main():
    kv_port, redis_port = map(int, sys.argv[1:])
    kv, redis = Connection(kv_port), Connection(redis_port)
    bad = total = 0
    for c in (kv, redis):
        c.ask([b"FLUSHALL"])
    for line in REQUESTS.strip().splitlines():
        for text in line.split(" | "):
            args, in_any_order = parse(text)
            ours, theirs = kv.ask(args), redis.ask(args)
            if in_any_order:
                ours, theirs = in_order(ours), in_order(theirs)
            total += 1
            if ours != theirs:
                bad += 1
                print(f"DIFFERENT {args}\n  kv    {ours}\n  redis {theirs}")
    for data in RAW:
        ours, theirs = raw(kv_port, data), raw(redis_port, data)
        total += 1
        if ours != theirs:
            bad += 1
            print(f"DIFFERENT {data[:60]}\n  kv    {ours}\n  redis {theirs}")
    print(f"{total} replies compared, {bad} different")
    return bad != 0


sys.exit(main())
