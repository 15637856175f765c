"""Requests of people and programs that mean harm, or do not know what they do: the same ones for the same seed."""

import json
from dataclasses import dataclass
from random import Random

HOST = "127.0.0.1"
SEGMENTS = [
    "..", ".", "", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "%c0%ae%c0%ae", "..;", "...", "....", "..%00", "%00",
    "~root", "static", "views", "index.html", "style.css", "page.py", "__init__.py", "etc", "passwd", "proc", "self",
    "environ", "v1", "models", "ngram", "config.json", "secret.txt", "C:", "windows", "win.ini", ".git", "config",
    "a" * 300, "é",
]  # fmt: skip
JOINTS = ["/", "/", "/", "//", "%2f", "%2F", "\\", "%5c", "/./", "%252f"]
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "get",
    "G E T",
    "",
]
# No number that would be right and ask for much work.
NUMBERS = [
    0, 1, 2, 3, -1, -2, -(2**31), 2**31 - 1, 2**31, 2**53 + 1, 2**63, 2**64, 10**30, 10**400, 0.5, -0.0, 1.5, 1e308,
    float("inf"), float("-inf"), float("nan"),
]  # fmt: skip
MARKUP = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"><svg onload=alert(1)>", "javascript:alert(1)",
    "{{7*7}}", "${7*7}", "<!--", "]]>", "<style>*{display:none}</style>", "'; DROP TABLE models; --", "%s%n%x", "`id`",
]  # fmt: skip
ODD = [
    "\0",
    "\x01",
    "\x1b[2J",
    "\x7f",
    "\r",
    "\n",
    "\r\n",
    "\t",
    "\x85",
    "\u200b",
    "\u202e",
    "\u2028",
    "\ufeff",
    "\ufffe",
    "e\u0301" * 40,
]
WORDS = ["students", "opened", "their", "books", "<s>", "</s>", "<unk>", "\u00e9", "\U0001f600", "a" * 2000, ""]
STRANGE_HEADERS = [
    b"Host: evil.example", b"Host: 127.0.0.1\r\nHost: evil.example", b"Host:", b"Host: \x00",
    b"Host: 127.0.0.1:99999999", b"Host: 127.0.0.1@evil.example", b"Host: [::1",
    b"Origin: http://evil.example\r\nHost: 127.0.0.1", b"Origin: null\r\nHost: 127.0.0.1",
    b"Sec-Fetch-Site: cross-site\r\nHost: 127.0.0.1", b"X-Forwarded-Host: evil.example\r\nHost: localhost",
    b"X-Forwarded-For: 1.2.3.4\r\nHost: localhost", b"Authorization: Bearer \xff\xfe\r\nHost: localhost",
    b"Authorization: Basic \r\nHost: localhost", b"Cookie: " + b"a=b; " * 500 + b"\r\nHost: localhost",
    b"X-Long: " + b"A" * 40_000 + b"\r\nHost: localhost",
    b"\r\n".join(b"X-%d: 1" % i for i in range(300)) + b"\r\nHost: localhost", b"No-Colon\r\nHost: localhost",
    b": empty\r\nHost: localhost", b"X-Space : 1\r\nHost: localhost", b" Folded: 1\r\nHost: localhost",
    b"X-Null: a\0b\r\nHost: localhost", b"X-Split: a\rSet-Cookie: b\r\nHost: localhost",
    b"X-Bytes: \xc3\x28\xff\r\nHost: localhost", b"Upgrade: websocket\r\nConnection: Upgrade\r\nHost: localhost",
    b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nHost: localhost",
    b"Expect: 100-continue\r\nHost: localhost", b"Expect: the unexpected\r\nHost: localhost",
    b"Range: bytes=0-99999999999\r\nHost: localhost", b"If-None-Match: *\r\nHost: localhost",
    b"Accept-Encoding: gzip;q=NaN\r\nHost: localhost", b"Content-Encoding: gzip\r\nHost: localhost",
    b"Transfer-Encoding: identity\r\nHost: localhost", b"X-HTTP-Method-Override: DELETE\r\nHost: localhost",
]  # fmt: skip
NO_HTTP = [
    b"", b"\0" * 64, b"\r\n\r\n", b"\n\n\n", b"GET", b"GET /", b"GET /\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\n\n",
    b"GET  /  HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 30,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)), b"SSH-2.0-OpenSSH_9.9\r\n",
    b"HELO localhost\r\n", b"HTTP/1.1 200 OK\r\n\r\n", b"A" * 70_000, b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
]  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """Bytes to send, in parts with a pause between two. ends: whether nothing more can come, and the sender says so."""

    kind: str
    parts: tuple[bytes, ...]
    ends: bool = False
    head: bool = False


class Attacker:
    """Draws attacks on the routes of an OpenAPI description."""

    def __init__(self, description, seed=0):
        self.random = Random(seed)
        schemas = description["components"]["schemas"]
        self.paths = [path.replace("{name}", "ngram") for path in description["paths"]]
        self.bodies = {}  # fields of each route's body
        for path, methods in description["paths"].items():
            content = methods.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {})
            if content:
                name = content["schema"]["$ref"].rpartition("/")[2]
                self.bodies[path] = list(schemas[name]["properties"])
        self.draws = [
            self.wrong_types, self.wrong_types, self.numbers, self.text, self.text, self.no_json, self.deep,
            self.bytes, self.path, self.path, self.headers, self.methods, self.content_types, self.framing,
            self.truncated, self.no_http,
        ]  # fmt: skip

    def draw(self):
        """The next attack."""
        return self.random.choice(self.draws)()

    def slow(self):
        """A body that comes in small parts, and perhaps never as a whole."""
        body, missing = b'{"prompt": "students", "max_tokens": 1}', self.random.randrange(2)
        parts = [body[i : i + 4] for i in range(0, len(body), 4)]
        return Attack("slow", (self._head("POST", "/v1/completions", len(body) + missing), *parts), ends=bool(missing))

    def wrong_types(self):
        path, fields = self._route()
        body = {name: self._value(3) for name in self.random.sample(fields, self.random.randint(1, len(fields)))}
        if self.random.random() < 0.2:
            body[self.random.choice(["", "__proto__", "constructor", "self", "__class__", "a" * 500, "\0"])] = (
                self._value(1)
            )
        return self._attack("wrong types", path, json.dumps(body).encode())

    def numbers(self):
        path, fields = self._route()
        body = {name: self.random.choice(NUMBERS) for name in self.random.sample(fields, min(3, len(fields)))}
        for name in {"prompt", "tokens"} & set(fields):
            body[name] = [self.random.choice(NUMBERS) for _ in range(self.random.randint(1, 5))]
        body |= (
            {"logit_bias": {str(self.random.choice(NUMBERS)): self.random.choice(NUMBERS)}}
            if "logit_bias" in fields
            else {}
        )
        return self._attack("numbers", path, json.dumps(body).encode())

    def text(self):
        """Texts that are allowed, and may be trouble where they are used."""
        path, fields = self._route()
        words = [
            self.random.choice(self.random.choice([WORDS, MARKUP, ODD])) for _ in range(self.random.randint(1, 12))
        ]
        text = self.random.choice(["", " "]).join(words)
        body = {name: text for name in ("text", "prompt", "word") if name in fields}
        body |= {
            name: self.random.choice(MARKUP)
            for name in ("model", "prefix")
            if name in fields and self.random.random() < 0.2
        }
        body |= {"tokens": [0, 2, 3]} if "tokens" in fields else {}
        body |= {"max_tokens": 2} if "max_tokens" in fields else {}
        return self._attack("text", path, json.dumps(body, ensure_ascii=self.random.random() < 0.5).encode())

    def no_json(self):
        bodies = [
            b"", b"null", b"[]", b"1", b'"', b'{"prompt": }', b"{'prompt': 'a'}", b'{"prompt": "a"',
            b'{"prompt": "a"}}', b"<a/>", b"prompt=a", b"\xff\xfe{\x00}\x00", b'{"prompt": "a",}',
            b'{"prompt": NaN}', b'{"max_tokens": 1e999}', b"9" * 5000, b'{"prompt": "\\u12"}',
            b'{"prompt": "a", "prompt": "b", "max_tokens": 1}', b"/**/{}", b"\x1f\x8b\x08\x00", b"true",
        ]  # fmt: skip
        return self._attack("no JSON", self._route()[0], self.random.choice(bodies))

    def deep(self):
        path, fields = self._route()
        depth = self.random.choice([50, 500, 5_000, 100_000])
        opening = self.random.choice([b"[", b'{"a":', b'[{"a":'])
        closing = {b"[": b"]", b'{"a":': b"}", b'[{"a":': b"}]"}[opening] * depth if self.random.random() < 0.5 else b""
        nested = opening * depth + (b"1" + closing if closing else b"")
        body = nested if self.random.random() < 0.3 else b'{"%s": %s}' % (self.random.choice(fields).encode(), nested)
        return self._attack("deep", path, body)

    def bytes(self):
        """Text that is none: invalid UTF-8, halves of surrogate pairs."""
        path, fields = self._route()
        pieces = [
            b"\xff",
            b"\xc3",
            b"\xed\xa0\x80",
            b"\xf8\x88\x80\x80\x80",
            b"\\ud800",
            b"\\udfff\\ud800",
            b"\\u0000",
            b"\xc0\xaf",
            b"a",
        ]
        text = b" ".join(self.random.choice(pieces) for _ in range(self.random.randint(1, 6)))
        names = [name for name in ("text", "prompt", "model", "stop", "word", "user") if name in fields] or ["tokens"]
        return self._attack("bytes", path, b'{"%s": "%s"}' % (self.random.choice(names).encode(), text))

    def path(self):
        parts = [self.random.choice(SEGMENTS) for _ in range(self.random.randint(1, 8))]
        start = self.random.choice(
            ["/", "/static/", "/static", "//", "/v1/models/", "/explore/", "http://evil.example/", "file:///", "\\", ""]
        )
        target = start + "".join(self.random.choice(JOINTS) + part if i else part for i, part in enumerate(parts))
        target += self.random.choice(
            ["", "", "?a=b", "?" + "a=b&" * 300, "#f", "/", "%", "%zz", "?model=..%2f..%2fetc%2fpasswd"]
        )
        method = self.random.choice(["GET", "GET", "GET", "HEAD", "POST"])
        return Attack("path", (self._head(method, target, 0),), head=method == "HEAD")

    def headers(self):
        path = self.random.choice(self.paths + ["/", "/static/style.css"])
        method, body = ("POST", b'{"prompt": "students", "max_tokens": 1}') if path in self.bodies else ("GET", b"")
        lines = [
            f"{method} {path} HTTP/1.1".encode(),
            self.random.choice(STRANGE_HEADERS),
            b"Content-Length: %d" % len(body),
        ]
        lines += [b"Connection: close"] if b"pgrade" not in lines[1] else []
        return Attack("headers", (b"\r\n".join([*lines, b"", body]),), ends=b"pgrade" in lines[1])

    def methods(self):
        method, path = self.random.choice(METHODS), self.random.choice([*self.paths, "/", "*"])
        return Attack("methods", (self._head(method, path, 0),), head=method == "HEAD")

    def content_types(self):
        path, _ = self._route()
        kinds = [
            b"text/plain",
            b"text/html",
            b"multipart/form-data; boundary=x",
            b"application/x-www-form-urlencoded",
            b"application/json; charset=utf-16",
            b"\xff",
            b"application/xml",
            b"a" * 3000,
        ]
        extra = b"Content-Type: " + self.random.choice(kinds) + b"\r\n"
        body = self.random.choice(
            [
                b'{"prompt": "students", "text": "a", "max_tokens": 1}',
                b"prompt=a&max_tokens=1",
                b"--x\r\n\r\na\r\n--x--",
            ]
        )
        return Attack("content types", (self._head("POST", path, len(body), extra, b"") + body,))

    def framing(self):
        """Bodies whose length is told wrongly, or twice: what smuggles requests past proxies."""
        path, _ = self._route()
        body, inner = b'{"prompt": "students", "max_tokens": 1}', b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
        size = b"Content-Length: %d\r\n" % len(body)
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        forms = [
            size + b"Content-Length: 5\r\n\r\n" + body,
            size + b"Transfer-Encoding: chunked\r\n\r\n" + chunked + inner,
            b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
            b"Transfer-Encoding: chunked\r\n\r\n" + chunked,
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked,
            b"Transfer-Encoding: xchunked\r\n\r\n" + chunked, b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + body,
            b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n" + body,
            b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + body,
            b"Transfer-Encoding: chunked\r\n\r\n5;" + b"x" * 9000 + b"\r\nabcde\r\n0\r\n\r\n",
            b"Content-Length: -1\r\n\r\n" + body, b"Content-Length: +39\r\n\r\n" + body,
            b"Content-Length: 0x27\r\n\r\n" + body, b"Content-Length: 99999999999999999999999\r\n\r\n" + body,
            b"Content-Length: 5000000000\r\n\r\n" + body, b"Content-Length: 2000000\r\n\r\n" + b"a" * 70_000,
            b"Content-Length: 39, 39\r\n\r\n" + body, b"Content-Length:\r\n\r\n" + body,
            size + b"\r\n" + body + inner, size + b"\r\n" + body * 3, b"\r\n" + body,
        ]  # fmt: skip
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
        return Attack("framing", (head + self.random.choice(forms),), ends=True)

    def truncated(self):
        path, _ = self._route()
        whole = self._head("POST", path, 39) + b'{"prompt": "students", "max_tokens": 1}'
        return Attack("truncated", (whole[: self.random.randrange(1, len(whole))],), ends=True)

    def no_http(self):
        return Attack("no HTTP", (self.random.choice(NO_HTTP),), ends=True)

    def _route(self):
        return self.random.choice(list(self.bodies.items()))

    def _value(self, depth):
        """Something that JSON can hold, and much that it cannot."""
        kinds = [None, True, False, "", "a", "0", "1e9", [], {}]
        match self.random.randrange(6 if depth else 4):
            case 0 | 1:
                return self.random.choice(kinds)
            case 2:
                return self.random.choice(NUMBERS)
            case 3:
                return self.random.choice(self.random.choice([WORDS, MARKUP, ODD]))
            case 4:
                return [self._value(depth - 1) for _ in range(self.random.randrange(4))]
        return {str(self._value(0))[:50]: self._value(depth - 1) for _ in range(self.random.randrange(3))}

    def _attack(self, kind, path, body):
        return Attack(kind, (self.post(path, body),))

    def post(self, path, body):
        """The bytes of a request that has a body of JSON, or of something else."""
        return self._head("POST", path, len(body)) + body

    @staticmethod
    def _head(method, target, length, extra=b"", kind=b"Content-Type: application/json\r\n"):
        start = f"{method} {target} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: {length}\r\n"
        return start.encode("utf-8") + kind + extra + b"\r\n"
