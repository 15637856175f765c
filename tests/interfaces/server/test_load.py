"""More requests than the server can bear: some are refused, none is lost, and every answer is its own."""

import asyncio
import json
import time
from collections import Counter

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.following import Following  # noqa: E402
from interfaces.server.running import call, running  # noqa: E402
from interfaces.server.wire import exchange  # noqa: E402
from nextword.interfaces.server.engine import Engine  # noqa: E402
from nextword.interfaces.server.models import Models, Served  # noqa: E402
from nextword.lm import LM  # noqa: E402

REQUESTS, TOGETHER, LENGTH = 400, 150, 40


def request(body):
    """The bytes of a completion request on a connection of its own."""
    content = json.dumps(body).encode()
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


class Slow(Following):
    """A thousand steps a second, however many texts are written at once."""

    def log_probs(self, state):
        time.sleep(0.001)
        return super().log_probs(state)


@pytest.fixture
def crowded():
    """A server of few places and a short queue, of a model whose text is a function of its prompt."""
    model = Slow()
    with running(Models([Served("following", LM(model), Engine(LM(model), slots=4, queue=8))])) as address:
        yield address, model


def test_every_answer_is_its_own(crowded):
    address, model = crowded
    port, waiting, statuses = int(address.rpartition(":")[2]), iter(range(REQUESTS)), Counter()

    async def work():
        for i in waiting:
            prompt = [3 + i % 37, 3 + i // 37]
            (reply,) = await exchange(
                port, [request({"prompt": prompt, "max_tokens": LENGTH, "logprobs": 0, "seed": 1})]
            )
            statuses[reply.status] += 1
            if reply.status == 200:
                (choice,) = reply.json()["choices"]
                words = [model.vocabulary.word(token) for token in model.text(prompt, LENGTH)]
                found = [token.strip(" ").replace("\n", "</s>") for token in choice["logprobs"]["tokens"]]
                assert found == words
            else:
                assert reply.headers["retry-after"] == "1"

    async def crowd():
        async with asyncio.TaskGroup() as group:
            for _ in range(TOGETHER):
                group.create_task(work())

    asyncio.run(crowd())
    assert set(statuses) == {200, 429}
    assert statuses.total() == REQUESTS
    _, _, metrics = call(address, "/metrics")
    assert b'nextword_engine_running{model="following"} 0' in metrics
    assert b'nextword_engine_waiting{model="following"} 0' in metrics
