"""OpenAI's own client against a server."""

import math
import threading

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
openai = pytest.importorskip("openai")

from interfaces.server.running import running  # noqa: E402

TEXT = "the students opened their books"


@pytest.fixture(scope="module")
def address(ngram, lstm):
    with running({"ngram": ngram, "lstm": lstm}) as found:
        yield found


@pytest.fixture
def client(address):
    with openai.OpenAI(base_url=address + "/v1", api_key="none", max_retries=0) as opened:
        yield opened


def expected(lm, text):
    """Log-probabilities of the tokens of a text, in nats, but for the end of its line."""
    return [-one.bits * math.log(2) for one in lm.surprisal(text)][:-1]


def test_models(client):
    assert [model.id for model in client.models.list()] == ["ngram", "lstm"]
    assert client.models.retrieve("lstm").owned_by == "nextword"
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt'; this server has ngram, lstm"):
        client.models.retrieve("gpt")


@pytest.mark.parametrize("name", ["ngram", "lstm"])
def test_a_completion_is_what_generate_gives(client, request, name):
    lm = request.getfixturevalue(name)
    found = client.completions.create(
        model=name, prompt="the students", max_tokens=9, seed=7, n=3, temperature=0.8, extra_body={"top_k": 5}
    )
    texts = lm.generate("the students", max_tokens=9, seed=7, samples=3, temperature=0.8, top_k=5)
    assert ["the students" + choice.text for choice in found.choices] == texts
    assert {choice.finish_reason for choice in found.choices} <= {"stop", "length"}
    assert found.usage.total_tokens == found.usage.prompt_tokens + found.usage.completion_tokens


@pytest.mark.parametrize(("name", "tolerance"), [("ngram", 1e-6), ("lstm", 1e-4)])
def test_echoed_log_probabilities_are_surprisals(client, request, name, tolerance):
    lm = request.getfixturevalue(name)
    (choice,) = client.completions.create(model=name, prompt=TEXT, max_tokens=0, echo=True, logprobs=4).choices
    assert choice.text == TEXT == "".join(choice.logprobs.tokens)
    assert choice.logprobs.token_logprobs[0] is None
    np.testing.assert_allclose(choice.logprobs.token_logprobs[1:], expected(lm, TEXT)[1:], atol=tolerance)
    for t, top in enumerate(choice.logprobs.top_logprobs[1:], start=1):
        argmax = lm.next(" ".join(TEXT.split()[:t]), k=1)
        assert max(top.values()) == pytest.approx(float(argmax.log_probs[0]), abs=tolerance)
        assert top[choice.logprobs.tokens[t]] == choice.logprobs.token_logprobs[t]
    assert choice.logprobs.text_offset == [0, 3, 12, 19, 25]


@pytest.mark.parametrize(("name", "tolerance"), [("ngram", 1e-6), ("lstm", 1e-4)])
def test_log_probabilities_of_what_was_written(client, request, name, tolerance):
    lm = request.getfixturevalue(name)
    (choice,) = client.completions.create(model=name, prompt="the", max_tokens=6, seed=3, logprobs=2).choices
    text = "the" + choice.text
    found = choice.logprobs.token_logprobs[: len(text.split()) - 1]
    np.testing.assert_allclose(found, expected(lm, text)[1:], atol=tolerance)


def test_ids_are_prompts_too(client, ngram):
    ids = ngram.ids("the students").tolist()
    found = client.completions.create(model="ngram", prompt=[ids, ids[:1]], max_tokens=5, seed=1).choices
    texts = ngram.generate("the students", max_tokens=5, seed=1) + ngram.generate("the", max_tokens=5, seed=1)
    assert ["the students" + found[0].text, "the" + found[1].text] == texts


def test_a_stream(client):
    asked = {"model": "lstm", "prompt": ["the students", "the teacher"], "max_tokens": 8, "seed": 5, "logprobs": 1}
    whole = client.completions.create(**asked).choices
    pieces, offsets, usage = ["", ""], [[], []], None
    for chunk in client.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage
        for choice in chunk.choices:
            pieces[choice.index] += choice.text
            offsets[choice.index] += choice.logprobs.text_offset if choice.logprobs else []
    assert pieces == [choice.text for choice in whole]
    assert offsets == [choice.logprobs.text_offset for choice in whole]
    assert usage.completion_tokens == sum(map(len, offsets))


def test_stop_and_bias(client, ngram):
    asked = {"model": "ngram", "prompt": "the proctor started the", "temperature": 0, "max_tokens": 3}
    assert client.completions.create(**asked).choices[0].text == " clock"
    stopped = client.completions.create(**asked, stop="loc").choices[0]
    assert (stopped.text, stopped.finish_reason) == (" c", "stop")
    door = str(ngram.ids("door")[0])
    assert client.completions.create(**asked, logit_bias={door: 50}).choices[0].text.startswith(" door")


def test_errors_are_those_that_the_client_knows(client):
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        client.completions.create(model="ngram", prompt="a", max_tokens=-3)
    assert refused.value.param == "max_tokens"
    with pytest.raises(openai.NotFoundError) as refused:
        client.completions.create(model="gpt", prompt="a")
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError, match="<s> stands inside the text"):
        client.completions.create(model="ngram", prompt="a <s> b")


def test_many_clients_at_once_get_each_their_own(client, ngram):
    found = {}

    def ask(seed):
        found[seed] = client.completions.create(model="ngram", prompt="the", max_tokens=6, seed=seed).choices[0].text

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {seed: ngram.generate("the", max_tokens=6, seed=seed)[0][3:] for seed in range(24)}
