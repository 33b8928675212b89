"""libevent's sample http-server serving a small site."""

from clients import SiteWriter as Writer  # noqa: F401: the judge's
from clients import make_site, site_check as check, site_transcript  # noqa: F401

GUEST_PORT = 8080


def prepare(folder, _place, _port):
    make_site(folder)


def arguments(folder, port):
    return ["-p", str(port), f"{folder}/site"]


def transcript(port):
    return site_transcript(port, listed=b"<ul>")
