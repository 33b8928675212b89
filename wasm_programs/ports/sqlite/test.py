"""SQLite's shell: ten thousand random statements, compared with the native shell, and replayed."""

import pathlib
import random
import subprocess

STATEMENTS = 10_000


def statements(seed):
    """Statements over a few tables: most of them right, some refused."""
    chance = random.Random(seed)
    value = lambda: chance.choice([  # noqa: E731
        str(chance.randint(-1000, 1000)), f"{chance.uniform(-10, 10):.6f}", "null", f"'{chance.choice(['', 'a', 'bc', 'Zebra', 'ünicode', '12', '1e3'])}'",
        f"x'{chance.getrandbits(32):08x}'"])
    table = lambda: f"t{chance.randrange(4)}"  # noqa: E731
    column = lambda: chance.choice("abc")  # noqa: E731

    def expression(depth=0):
        if depth > 2 or chance.random() < 0.4:
            return chance.choice([column(), value(), column()])
        one, other = expression(depth + 1), expression(depth + 1)
        return chance.choice([
            f"({one} {chance.choice(['+', '-', '*', '/', '%', '||', '<', '>=', '=', 'is', 'and', 'or', '&', '|', '<<'])} {other})",
            f"{chance.choice(['abs', 'typeof', 'length', 'upper', 'hex', 'quote', 'round', 'unicode', 'trim'])}({one})",
            f"coalesce({one}, {other})", f"case when {one} then {other} else {one} end", f"cast({one} as {chance.choice(['integer', 'text', 'real', 'blob'])})",
            f"substr({one}, {chance.randint(-3, 3)}, 2)", f"({one} between {other} and 5)", f"({one} in ({value()}, {value()}))", f"nullif({one}, {other})",
            f"printf('%s-%d', {one}, {other})", f"({one} like '%a%')", f"max({one}, {other})"])

    for n in range(4):
        yield f"create table t{n} (a integer{' primary key' if n % 2 else ''}, b{' text' if n % 3 else ''}, c {'real' if n % 2 else 'unique'});"
    inside = False
    for _ in range(STATEMENTS):
        kind = chance.random()
        if kind < 0.35:
            yield f"insert {chance.choice(['', 'or ignore ', 'or replace '])}into {table()} values ({value()}, {value()}, {value()});"
        elif kind < 0.50:
            yield f"update {table()} set {column()} = {expression()} where {column()} {chance.choice('<>=')} {value()};"
        elif kind < 0.55:
            yield f"delete from {table()} where {column()} = {value()} or abs(a) % 17 = {chance.randrange(17)};"
        elif kind < 0.80:
            yield f"select {expression()}, {expression()} from {table()} where {expression()} order by a, b, c limit 3;"
        elif kind < 0.86:
            yield f"select {chance.choice(['count', 'sum', 'avg', 'min', 'max', 'total', 'group_concat'])}({column()}) from {table()} group by {column()} order by 1 limit 3;"
        elif kind < 0.90:
            yield f"select count(*), total(x.a) from {table()} x join {table()} y on x.{column()} = y.{column()} where x.a < 50;"
        elif kind < 0.93:
            yield "rollback;" if inside and chance.random() < 0.5 else "commit;" if inside else "begin;"
            inside = not inside
        elif kind < 0.96:
            yield f"create index if not exists i{chance.randrange(6)} on {table()}({column()}, {column()});"
        elif kind < 0.97:
            yield f"drop index if exists i{chance.randrange(6)};"
        else:
            yield chance.choice(["selec 1;", "select * from nowhere;", f"savepoint s; delete from {table()}; rollback to s; release s;", "reindex;", "analyze;",
                                 "select integrity_check from pragma_integrity_check;", "select changes(), total_changes();"])


def alone(judge, module, native, work):
    folder = pathlib.Path(work) / "given"
    folder.mkdir()
    (folder / "statements.sql").write_text(".bail off\npragma synchronous = off;\n" + "\n".join(statements(10)) + "\n")

    def shell(command, place):
        # a database in a file, so that journals and locks are at work; the messages name the statements' lines
        run = [*command, "-batch", f"{place}/db.sqlite", f".read {place}/statements.sql"]
        done = subprocess.run(run, capture_output=True, timeout=300, check=False)
        return done.returncode, (done.stdout + done.stderr).replace(str(folder).encode(), judge.FOLDER_IN_CELL.encode())

    data = pathlib.Path(work) / "run"
    command = [judge.REPLICODE, "run", str(module), "--data", str(data), "--dir", f"{folder}:{judge.FOLDER_IN_CELL}", "--"]
    code, ours = shell(command, judge.FOLDER_IN_CELL)
    want, theirs = shell([str(native)], str(folder))
    judge.compare("on 1 node", theirs, ours)
    if want != code:
        raise judge.Failure(f"the shell exited with {code}, the native one with {want}")
    judge.command("replay", data)
    return f"{STATEMENTS} statements, {len(ours.splitlines())} lines of answers, replayed"
