"""lighttpd serving a small site, with some of its modules at work."""

import base64
import re

from clients import SiteWriter as Writer  # noqa: F401: the judge's
from clients import make_site, same_times, settled, site_check as check, site_transcript, until_end  # noqa: F401

GUEST_PORT = 8080

CONFIGURATION = """
server.modules = ( "mod_access", "mod_alias", "mod_redirect", "mod_rewrite", "mod_setenv", "mod_expire", "mod_auth",
    "mod_authn_file", "mod_indexfile", "mod_dirlisting", "mod_staticfile", "mod_status", "mod_webdav", "mod_accesslog" )
server.document-root = "@FOLDER@/site"
server.port = @PORT@
server.bind = "0.0.0.0"
server.errorlog = "@FOLDER@/error.log"
server.upload-dirs = ( "@FOLDER@" )
accesslog.filename = "@FOLDER@/access.log"
index-file.names = ( "index.html" )
mimetype.assign = ( ".html" => "text/html", ".css" => "text/css", ".txt" => "text/plain" )
url.access-deny = ( ".inc" )
alias.url = ( "/alias/" => "@FOLDER@/site/sub/" )
setenv.add-response-header = ( "X-Added" => "yes" )
expire.url = ( "/style.css" => "access 1 hours" )
etag.use-inode = "disable"
auth.backend = "plain"
auth.backend.plain.userfile = "@FOLDER@/users"
auth.require = ( "/secret" => ( "method" => "basic", "realm" => "judge", "require" => "valid-user" ) )
$HTTP["url"] =^ "/list/" { dir-listing.activate = "enable" dir-listing.hide-dotfiles = "enable" }
$HTTP["url"] =^ "/dav/" { webdav.activate = "enable" }
"""


def prepare(folder, place, port):
    make_site(folder)
    for name in ("secret", "list", "dav"):
        (folder / "site" / name).mkdir()
    (folder / "site" / "secret" / "file.txt").write_text("for users\n")
    (folder / "site" / "list" / "one.txt").write_text("1\n")
    (folder / "site" / "x.inc").write_text("not for clients\n")
    same_times(folder / "site")
    (folder / "users").write_text("ada:lovelace\n")
    (folder / "lighttpd.conf").write_text(CONFIGURATION.replace("@FOLDER@", place).replace("@PORT@", str(port)))


def arguments(folder, _port):
    return ["-D", "-f", f"{folder}/lighttpd.conf"]


def transcript(port):
    said = [site_transcript(port)]
    head = "HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
    good = base64.b64encode(b"ada:lovelace").decode()
    bad = base64.b64encode(b"ada:wrong").decode()
    big = "z" * 200_000
    for request in [
        f"GET /secret/file.txt {head}\r\n",
        f"GET /secret/file.txt {head}Authorization: Basic {good}\r\n\r\n",
        f"GET /secret/file.txt {head}Authorization: Basic {bad}\r\n\r\n",
        f"GET /x.inc {head}\r\n",
        f"GET /alias/page.txt {head}\r\n",
        f"GET /style.css {head}If-None-Match: \"x\"\r\n\r\n",
        f"OPTIONS / {head}\r\n",
        f"POST /index.html {head}Content-Length: 3\r\n\r\nabc",
        f"PUT /dav/new.txt {head}Content-Length: 5\r\n\r\nhello",
        f"PUT /dav/big.txt {head}Content-Length: {len(big)}\r\n\r\n{big}",
        f"GET /dav/new.txt {head}\r\n",
        f"COPY /dav/new.txt {head}Destination: http://test/dav/copy.txt\r\n\r\n",
        f"MOVE /dav/new.txt {head}Destination: http://test/dav/moved.txt\r\n\r\n",
        f"MKCOL /dav/folder {head}\r\n",
        f"DELETE /dav/moved.txt {head}\r\n",
        f"GET /dav/moved.txt {head}\r\n",
        f"GET /dav/copy.txt {head}\r\n",
        f"HEAD /dav/big.txt {head}\r\n",
        f"BREW / {head}\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET  HTTP/1.1\r\nHost: test\r\n\r\n",
        f"GET /{'x' * 9000} {head}\r\n",
    ]:
        answer = settled(until_end(port, request.encode()), port)
        if " /dav/" in request:  # files that were made just now
            answer = re.sub(rb"\n(Last-Modified|ETag): [^\r]*", rb"\n\1: -", answer)
        said.append(b"## " + request[:40].encode() + b"\n" + answer + b"\n")
    return b"".join(said)
