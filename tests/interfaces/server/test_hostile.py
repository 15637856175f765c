"""Ten thousand requests that mean harm, to a server in a process of its own, and right ones among them."""

import asyncio
import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from random import Random

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.hostile import Attack, Attacker  # noqa: E402
from interfaces.server.wire import exchange  # noqa: E402

REQUESTS, SLOW, TOGETHER = 10_000, 20, 24
SECRET = "the secret beside the model"
PROGRAM = "import sys; from nextword.interfaces.cli import main; sys.argv[0] = 'nextword'; main()"


class Served:
    """A server in a process of its own: its port, what it says, and how much memory it holds."""

    def __init__(self, *directories):
        command = [sys.executable, "-c", PROGRAM, "serve", *map(str, directories), "--port", "0"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.said = self.process.stderr.readline()
        self.port = int(re.search(r":(\d+) ", self.said)[1])

    def json(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=20) as answer:
            return json.load(answer)

    def memory(self):
        """Bytes in memory, None where this is not told."""
        status = Path(f"/proc/{self.process.pid}/status")
        found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
        return int(found[1]) * 1024 if found else None

    def stop(self):
        """Its exit status, and what it has said since it began."""
        self.process.terminate()
        _, said = self.process.communicate(timeout=20)
        return self.process.returncode, said


@pytest.fixture
def served(ngram, tmp_path):
    ngram.save(tmp_path / "models" / "ngram")
    (tmp_path / "models" / "ngram" / "secret.txt").write_text(SECRET)
    (tmp_path / "secret.txt").write_text(SECRET)
    served = Served(tmp_path / "models" / "ngram")
    try:
        yield served
    finally:
        served.process.kill()
        served.process.wait()
        served.process.stderr.close()


class Question:
    """A right request whose answer is known: the log-probabilities of ids."""

    def __init__(self, lm, random):
        size = len(lm.model.vocabulary)
        self.ids = [random.choice([2, *range(3, size)]) for _ in range(random.randint(2, 8))]
        scores, _ = lm.model.token_log_probs(np.array([self.ids], dtype=np.int32))
        self.expected = scores[0, 1:].tolist()
        body = json.dumps({"prompt": self.ids, "max_tokens": 0, "echo": True, "logprobs": 0}).encode()
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        )
        self.bytes = head.encode() + b"Content-Type: application/json\r\n\r\n" + body

    async def ask(self, port):
        (reply,) = await exchange(port, [self.bytes])
        assert reply.status == 200, reply
        found = reply.json()["choices"][0]["logprobs"]["token_logprobs"]
        assert found[0] is None
        assert found[1:] == pytest.approx(self.expected, abs=1e-6)


def check(attack, replies, page):
    """What holds of every answer, whatever was asked."""
    for reply in replies:
        about = (attack.kind, attack.parts[0][:200], reply.status, reply.body[:200])
        assert reply.status < 500 or reply.status == 503, about
        assert reply.headers["content-security-policy"].startswith("default-src 'self'"), about
        assert reply.headers["x-content-type-options"] == "nosniff", about
        assert "set-cookie" not in reply.headers, about
        assert reply.headers.get("location", "http://127.0.0.1/").startswith(
            ("http://127.0.0.1/", "http://localhost/")
        ), about
        if attack.head:
            continue
        kind = reply.headers.get("content-type", "").partition(";")[0]
        assert SECRET.encode() not in reply.body and b"root:x:0" not in reply.body, about
        assert b"Traceback" not in reply.body, about
        match kind:
            case "application/json":
                content = reply.json()
                assert reply.status < 400 or isinstance(content["error"]["message"], str), about
            case "text/html":
                assert reply.body == page, about  # the page itself, in which nothing of a request stands
            case "text/event-stream" | "text/css" | "text/javascript" | "text/plain":
                assert reply.status == 200, about
            case _:
                assert not reply.body, about


async def besiege(served, lm, attacks, *, together=TOGETHER):
    """Send all attacks, a few at a time, and after every tenth a right request. The kinds that were answered."""
    random, port, kinds, waiting = Random(1), served.port, set(), iter(attacks)
    (page,) = await exchange(port, [b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"])
    questions = [Question(lm, random) for _ in range(50)]

    async def work():
        for number, attack in enumerate(waiting):
            check(attack, found := await exchange(port, attack.parts, ends=attack.ends, head=attack.head), page.body)
            kinds.update((attack.kind, reply.status) for reply in found)
            if number % 10 == 0:
                await random.choice(questions).ask(port)

    async with asyncio.TaskGroup() as group:
        for _ in range(together):
            group.create_task(work())
    return kinds


def test_ten_thousand_hostile_requests(served, ngram):
    attacker = Attacker(served.json("/openapi.json"), seed=7)
    warm = Attack("warm", (attacker.post("/explore/gradients", b'{"untrained": true}'),))  # it imports a great deal
    asyncio.run(besiege(served, ngram, [warm, *(attacker.draw() for _ in range(500))]))
    before = served.memory()
    attacks = [attacker.draw() for _ in range(REQUESTS - SLOW)] + [attacker.slow() for _ in range(SLOW)]
    Random(2).shuffle(attacks)
    kinds = asyncio.run(besiege(served, ngram, attacks))

    assert {kind for kind, _ in kinds} >= {attack.kind for attack in attacks} - {"truncated"}
    assert {status for _, status in kinds} >= {200, 400, 403, 404, 405, 413, 421, 422}
    assert served.json("/v1/models")["data"][0]["id"] == "ngram"
    asyncio.run(Question(ngram, Random(3)).ask(served.port))
    if before is not None:
        assert served.memory() < before + (64 << 20)
    status, said = served.stop()
    assert status == 0
    assert said == ""
