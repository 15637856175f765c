"""Who is answered, and what browsers are told."""

import http.client
from urllib.parse import urlsplit

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.running import call, running  # noqa: E402
from nextword.errors import UsageError  # noqa: E402
from nextword.interfaces.server.security import LOOPBACK, Access  # noqa: E402
from nextword.interfaces.server.serving import access_of  # noqa: E402


def ask(address, path, headers, method="GET", body=b""):
    """(status, JSON or text) of a request with exactly these headers, a list of pairs."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body or None)
    response = connection.getresponse()
    found = response.status, response.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("path", ["/", "/v1/models", "/nowhere", "/health", "/v1/completions"])
def test_every_answer_makes_a_browser_careful(server, path):
    _, headers, _ = call(server, path)
    assert headers["Content-Security-Policy"] == (
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")
    assert not [name for name in headers if name.lower().startswith("access-control-") or name.lower() == "server"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "[::1]", "[::1]:9"])
def test_hosts_of_this_machine(server, host):
    assert ask(server, "/v1/models", [("Host", host)])[0] == 200


@pytest.mark.parametrize(
    "hosts",
    [["evil.example"], ["localhost.evil.example"], ["127.0.0.1.evil.example:80"], ["evil.example:127.0.0.1"],
     ["localhost", "evil.example"], ["localhost@evil.example"], [""], ["::1"], ["localhost:80:80"]],
)  # fmt: skip
def test_other_hosts_are_refused(server, hosts):
    status, text = ask(server, "/v1/models", [("Host", host) for host in hosts])
    assert status in (400, 421)
    assert "error" in text


def test_what_a_refused_host_is_told(server):
    assert '"the Host \'evil.example\' is none of this server\'s; use 127.0.0.1 or [::1] or localhost, or start it with --allow-host"' in ask(server, "/", [("Host", "evil.example")])[1]  # fmt: skip # noqa: E501
    assert "the Host 'none' is none of this server's" in ask(server, "/", [])[1] or ask(server, "/", [])[0] == 400


def test_other_hosts_can_be_allowed(ngram):
    with running({"ngram": ngram}, access=Access(LOOPBACK | {"lab.example"})) as server:
        assert ask(server, "/v1/models", [("Host", "lab.example:8000")])[0] == 200
        assert ask(server, "/v1/models", [("Host", "evil.example")])[0] == 421
    with running({"ngram": ngram}, access=Access(None)) as server:
        assert ask(server, "/v1/models", [("Host", "any.example")])[0] == 200


def test_pages_of_other_sites_cannot_send(server):
    body = {"prompt": "the", "max_tokens": 1}
    host = urlsplit(server).netloc
    for headers, status in (
        ({"Origin": f"http://{host}"}, 200),
        ({"Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
    ):
        assert call(server, "/v1/completions", body, headers=headers)[0] == status
    refused = call(server, "/v1/completions", body, headers={"Origin": "http://evil.example"})[2]
    assert refused["error"]["message"] == "a page of another site sent this request; only this server's own page may"
    assert call(server, "/v1/completions", headers={"Origin": "http://evil.example"}, method="OPTIONS")[0] == 405


def test_a_key(ngram):
    with running({"ngram": ngram}, access=Access(key="s3cret")) as server:
        right = {"Authorization": "Bearer s3cret"}
        for path in ("/v1/models", "/metrics", "/openapi.json", "/tokenizer_info", "/explore/models", "/nowhere"):
            status, headers, answer = call(server, path)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert answer["error"]["type"] == "authentication_error"
            assert answer["error"]["message"] == "this server asks for a key; send it as Authorization: Bearer KEY"
            assert call(server, path, headers=right)[0] != 401
        for wrong in ("Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer", "Bearer \u00e9", ""):
            assert call(server, "/v1/models", headers={"Authorization": wrong})[0] == 401
        assert call(server, "/v1/models", headers={"Authorization": "bearer  s3cret"})[0] == 200
        described = call(server, "/openapi.json", headers=right)[2]
        assert described["security"] == [{"key": []}]
        assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
        for path in ("/", "/health", "/static/app.js"):
            assert call(server, path)[0] == 200


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/page.py", "/static/..%2fpage.py", "/static//etc/passwd", "/static/%00",
     "/static/....//page.py", "/static/index.html%00.js", "/v1/models/..%2f..%2fetc%2fpasswd", "/static/"],
)  # fmt: skip
def test_no_path_reaches_a_file(server, path):
    status, text = ask(server, path, [("Host", "localhost")])
    assert status in (400, 404)
    assert "import" not in text


def test_who_may_ask_by_what_the_command_line_says():
    assert access_of("127.0.0.1", None, ()) == Access(LOOPBACK)
    assert access_of("localhost", "k", ()) == Access(LOOPBACK, "k")
    assert access_of("::1", None, ()).hosts == LOOPBACK
    assert access_of("127.0.0.2", None, ["Lab.example"]).hosts == LOOPBACK | {"127.0.0.2", "lab.example"}
    assert access_of("0.0.0.0", None, ()).hosts is None
    assert access_of("0.0.0.0", None, ["lab.example"]).hosts == LOOPBACK | {"0.0.0.0", "lab.example"}
    assert "s3cret" not in repr(access_of("::1", "s3cret", ()))
    for key in ("", "two words", "ключ", "a\n"):
        with pytest.raises(UsageError, match="the API key is empty or has characters that no header can hold"):
            access_of("127.0.0.1", key, ())
