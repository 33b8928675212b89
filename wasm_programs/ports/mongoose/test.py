"""mongoose's http-server serving a small site."""

from clients import SiteWriter, first_answer, make_site, site_transcript

GUEST_PORT = 8000


def prepare(folder, _place, _port):
    make_site(folder)


def arguments(folder, port):
    return ["-d", f"{folder}/site", "-l", f"http://0.0.0.0:{port}", "-v", "1"]


def transcript(port):
    return site_transcript(port, first_answer)


class Writer(SiteWriter):
    fetch = staticmethod(first_answer)


def check(port, _n):
    Writer(port).write(0)
