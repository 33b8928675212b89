"""SQLite behind our TCP front: statements and their rows; committed rows live through deaths."""

from clients import Lines

GUEST_PORT = 5000


def arguments(folder, port):
    return [str(port), f"{folder}/db.sqlite", "PRAGMA synchronous=FULL"]


class Client(Lines):
    def sql(self, statement):
        self.send(statement.encode() + b"\n")
        said = []
        while True:
            line = self.line()
            said.append(line)
            if line == b"ok\n" or line.startswith(b"error "):
                return b"".join(said)


def transcript(port):
    client = Client(port)
    return b"".join(
        client.sql(text)
        for text in [
            "create table t (a integer primary key, b text, c real)", "insert into t values (1, 'one', 1.5), (2, 'two', null), (3, 'three', -1e10)",
            "select * from t order by a", "select sum(c), avg(c), count(*), group_concat(b, '-') from t", "begin", "delete from t", "rollback",
            "select count(*) from t", "insert into t values (1, 'again', 0)", "selec", "select * from missing", "select integrity_check || '.' from pragma_integrity_check",
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < 1000) select sum(i), max(i) from n",
            "create index ib on t(b)", "explain query plan select * from t where b = 'two'", "select json_extract('{\"a\":[1,2,{\"b\":3}]}', '$.a[2].b')",
            "select printf('%.3f|%5d|%-5s|%x', 3.14159, 42, 'ab', 255), hex(zeroblob(2)), date(0, 'unixepoch'), upper('ä') || lower('ABC')",
            "select round(2.0 / 3, 10), typeof(1.0), 7 / 2, 7 % 3, 1 / 0, cast('12abc' as integer), x'41' || 'b'",
            "create trigger tr after insert on t begin update t set c = 99 where a = new.a; end", "insert into t(b) values ('four'); select * from t",
            "pragma journal_mode", "vacuum", "select name, type from sqlite_master order by name", "create virtual table f using fts5(x)",
            "attach ':memory:' as m; create table m.x(y); insert into m.x select a from t; select count(*) from m.x; detach m",
            "select row_number() over (order by b), sum(a) over (order by b) from t", "drop table t",
        ]
    )


class Writer:
    def __init__(self, port):
        self.client = Client(port)
        assert self.client.sql("create table judged (n integer primary key, what text)") == b"ok\n"

    def write(self, n):
        assert self.client.sql(f"insert into judged values ({n}, 'item {n}')") == b"ok\n"


def check(port, n):
    client = Client(port)
    rows = client.sql("select * from judged order by n")
    assert rows == b"".join(b"%d|item %d\n" % (item, item) for item in range(n)) + b"ok\n"
    assert client.sql("select integrity_check || '.' from pragma_integrity_check") == b"ok.\nok\n"
