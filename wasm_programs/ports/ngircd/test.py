"""ngIRCd: two users on a channel, word for word; a topic that lives through deaths."""

import re

from clients import Lines

GUEST_PORT = 6667

CONFIGURATION = """[Global]
Name = irc.test.net
AdminInfo1 = judge
Info = a server under test
Listen = 0.0.0.0
Ports = @PORT@
MotdPhrase = welcome
Network = test
PidFile =
[Limits]
MaxConnectionsIP = 0
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
SyslogFacility = local1
OperCanUseMode = yes
[Channel]
Name = #fixed
Topic = the fixed topic
Modes = tn
[Channel]
Name = #kept
Modes = n
"""


def prepare(folder, _place, port):
    (folder / "ngircd.conf").write_text(CONFIGURATION.replace("@PORT@", str(port)))


def arguments(folder, _port):
    return ["-n", "-f", f"{folder}/ngircd.conf"]


class User(Lines):
    def __init__(self, port, nick):
        super().__init__(port)
        self.said = []
        self.send(f"NICK {nick}\r\nUSER {nick} 0 * :{nick} of the judge\r\n".encode())
        self.until(b" 376 ")

    def until(self, mark):
        while True:
            line = self.line()
            self.said.append(line)
            if mark in line:
                return line

    def do(self, text):
        self.send(text.encode() + b"\r\nPING mark\r\n")
        self.until(b" PONG ")


def ready(port):
    """Once a user has come and gone, the connections that only looked whether the port is open are forgotten, too."""
    user = User(port, "first")
    user.send(b"QUIT\r\n")
    user.file.read()
    return True


def transcript(port):
    ada, bob = User(port, "ada"), User(port, "bob")
    for user, text in [
        (ada, "JOIN #room"), (ada, "TOPIC #room :what we say"), (bob, "JOIN #room"), (bob, "PRIVMSG #room :hello all"), (ada, "PRIVMSG bob :hello you"),
        (bob, "NAMES #room"), (ada, "MODE #room +k secret"), (ada, "MODE #room"), (bob, "LIST"), (bob, "WHO #room"), (ada, "WHOIS bob"),
        (ada, "KICK #room bob :out"), (bob, "JOIN #room wrong"), (bob, "JOIN #room secret"), (bob, "NICK robert"), (ada, "AWAY :gone"),
        (bob, "PRIVMSG ada :there?"), (bob, "PRIVMSG nobody :x"), (bob, "NONSENSE"), (bob, "OPER a b"), (bob, "LUSERS"), (bob, "VERSION"), (bob, "ADMIN"),
        (bob, "JOIN #fixed"), (bob, "PART #room :bye"), (ada, "MOTD"),
    ]:
        user.do(text)
    bob.send(b"QUIT :going\r\n")
    bob.file.read()
    ada.do("ISON robert ada")
    ada.close()
    text = b"".join(ada.said + bob.said)
    text = re.sub(rb"(?m)^(:\S+ (?:003|004|317|329|333) ).*$", rb"\1-", text)  # dates, idle times
    # how quickly the ends of earlier connections are seen
    text = re.sub(rb"Highest connection count: \d+ \(\d+ ", b"Highest connection count: - (- ", text)
    text = re.sub(rb"(?m)^:\S+ 253 \S+ \d+ :unknown.*\n", b"", text)
    text = re.sub(rb"(?:x86_64|wasm32)[^ \r)]*", b"PLATFORM", text)
    return text.replace(str(port).encode(), b"PORT")


class Writer:
    def __init__(self, port):
        self.user = User(port, "writer")
        self.user.do("JOIN #kept")

    def write(self, n):
        self.user.send(b"TOPIC #kept :item %d\r\n" % n)
        self.user.until(b" TOPIC #kept :item %d\r\n" % n)


def check(port, n):
    user = User(port, f"check{port}"[:9])
    user.send(b"LIST #kept\r\n")
    assert user.until(b" 322 ").endswith(b"item %d\r\n" % (n - 1))
    user.close()
