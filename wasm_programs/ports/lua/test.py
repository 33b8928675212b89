"""Lua with luasocket: a small server in Lua, its answers, what it keeps in its journal."""

import pathlib
import shutil

from clients import Lines

GUEST_PORT = 4500
HERE = pathlib.Path(__file__).resolve().parent


def prepare(folder, _place, _port):
    source = HERE.parent.parent / "build" / ".ports" / "native" / "lua" / "luasocket" / "src"
    shutil.copy(HERE / "server.lua", folder)
    (folder / "socket").mkdir()
    for name in ("socket.lua", "ltn12.lua", "mime.lua"):
        shutil.copy(source / name, folder)
    for name in ("http.lua", "url.lua", "tp.lua", "ftp.lua", "headers.lua", "smtp.lua"):
        shutil.copy(source / name, folder / "socket")
    (folder / "journal").write_text("old value\n")


def arguments(folder, port):
    return ["-e", f"package.path='{folder}/?.lua'", f"{folder}/server.lua", str(port), f"{folder}/journal"]


def transcript(port):
    client = Lines(port)
    said = []
    for text in [
        "get old", "get missing", "set a 1", "set", "set b two words", "get b", "count", "nonsense", "",
        "eval 1 + 2 * 3", "eval 2^53", "eval 7 // 2", "eval 1/0", "eval -(0/0) ~= -(0/0)", "eval 10 // 0", "eval 10 % 0",
        "eval math.maxinteger + 1", "eval string.format('%5.2f|%g|%q|%x', 3.14159, 1e100, 'a\\nb', 255)",
        "eval ('x'):rep(10)", "eval ('hello world'):gsub('o', '0')", "eval ('key=val'):match('(%w+)=(%w+)')",
        "eval select('#', pcall(error, 'x'))", "eval tostring(pcall(string.rep))", "eval select(2, pcall(string.rep))",
        "eval select(2, pcall(error, {}))  == nil", "eval (function() local t = {} for i = 1, 1000 do t[i] = i end return #t end)()",
        "eval (function() local s = 0 for i = 1, 1e6 do s = s + i end return s end)()",
        "eval (function() local function f(n) return n < 2 and n or f(n-1) + f(n-2) end return f(22) end)()",
        "eval (function() local function f() return f() + 1 end return tostring(pcall(f)) end)()",
        "eval (function() local c = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) error('in ' .. b) end) c(1) return select(2, pcall(c, 'x')) end)()",
        "eval utf8.char(228, 8364)", "eval table.concat({3, 1, 2}, ',')", "eval os.time{year=2026, month=1, day=1, hour=12}", "eval )",
    ]:
        said.append(text.encode() + b" -> " + client.ask(text.encode() + b"\n"))
    client.close()
    return b"".join(said)


class Writer:
    def __init__(self, port):
        self.client = Lines(port)

    def write(self, n):
        assert self.client.ask(b"set item%d value %d\n" % (n, n)) == b"ok\n"


def check(port, n):
    client = Lines(port)
    for item in range(n):
        assert client.ask(b"get item%d\n" % item) == b"value %d\n" % item
    assert client.ask(b"count\n") == b"%d\n" % (n + 3)
