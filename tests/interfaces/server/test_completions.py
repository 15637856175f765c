"""``/v1/completions`` by plain HTTP: what is answered, against the model itself; what is refused, in which words."""

import json
import math

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.running import call, complete, events, running  # noqa: E402
from nextword import train  # noqa: E402


def surprisals(lm, text):
    """Natural logs of the tokens' probabilities, by the other door."""
    return [-one.bits * math.log(2) for one in lm.surprisal(text)]


@pytest.fixture(scope="module")
def chars(text_file):
    """A model of characters."""
    return train(text_file, order=4, tokenizer="char", smoothing="witten-bell")


@pytest.fixture(scope="module")
def bytewise(text_file, tmp_path_factory):
    """A model of bytes, of a text with characters of several bytes."""
    file = tmp_path_factory.mktemp("bytes") / "train.txt"
    file.write_text("é€ é€ 😀 é€\n" * 20)
    return train(file, order=4, tokenizer="byte", smoothing="witten-bell")


@pytest.fixture(scope="module")
def stupid(text_file):
    """A model that gives scores and no probabilities."""
    return train(text_file, order=2, smoothing="stupid-backoff")


@pytest.fixture(scope="module")
def several(ngram, chars, bytewise, stupid):
    """The address of a server of four models."""
    with running({"ngram": ngram, "chars": chars, "bytes": bytewise, "stupid": stupid}) as address:
        yield address


def test_the_form_of_an_answer(server, ngram):
    status, headers, answer = call(server, "/v1/completions", {"prompt": "students opened", "max_tokens": 2, "seed": 4})
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert list(answer) == ["id", "object", "created", "model", "choices", "usage"]
    assert (answer["object"], answer["model"]) == ("text_completion", "ngram")
    (choice,) = answer["choices"]
    assert list(choice) == ["text", "index", "logprobs", "finish_reason"]
    assert "students opened" + choice["text"] == ngram.generate("students opened", max_tokens=2, seed=4)[0]
    assert (choice["index"], choice["logprobs"]) == (0, None)
    assert answer["usage"]["prompt_tokens"] == 2


def test_the_same_seed_gives_the_same_text_as_generate(server, ngram):
    options = {"max_tokens": 12, "temperature": 1.3, "top_p": 0.9, "seed": 11}
    found = complete(server, prompt="the students", n=3, **options)
    expected = ngram.generate("the students", samples=3, **options)
    assert ["the students" + choice["text"] for choice in found] == expected
    assert [choice["index"] for choice in found] == [0, 1, 2]


def test_without_a_prompt_a_text_begins(server, ngram):
    expected = ngram.generate("", max_tokens=5, seed=1)
    for prompt in ({}, {"prompt": None}, {"prompt": ""}, {"prompt": []}, {"prompt": [[]]}, {"prompt": [""]}):
        assert [choice["text"] for choice in complete(server, max_tokens=5, seed=1, **prompt)] == expected


def test_prompts_of_all_forms_are_the_same(server, ngram):
    text, ids = "the students opened", ngram.ids("the students opened").tolist()
    texts = [
        [choice["text"] for choice in complete(server, prompt=prompt, max_tokens=6, seed=2)]
        for prompt in (text, [text], ids, [ids], [1, *ids])
    ]
    assert texts == [texts[0]] * 5


def test_several_prompts_with_several_samples_each(server):
    prompts = ["the students", "the teacher"]
    found = complete(server, prompt=prompts, n=2, max_tokens=6, seed=5)
    alone = [complete(server, prompt=one, n=2, max_tokens=6, seed=5) for one in prompts]
    assert [choice["index"] for choice in found] == [0, 1, 2, 3]
    assert [choice["text"] for choice in found] == [choice["text"] for one in alone for choice in one]


def test_echo_gives_each_token_of_the_prompt_its_probability(server, ngram):
    text = "the students opened their zebra\nthe clock"
    (choice,) = complete(server, prompt=text, max_tokens=0, echo=True, logprobs=3)
    found = choice["logprobs"]
    assert (choice["text"], choice["finish_reason"]) == (text, "length")
    assert "".join(found["tokens"]) == text
    assert found["tokens"][3:7] == [" their", " zebra", "\n", "the"]
    assert found["text_offset"] == [0, 3, 12, 19, 25, 31, 32, 35]
    expected = surprisals(ngram, text)[:-1]
    assert found["token_logprobs"][0] is None
    np.testing.assert_allclose(found["token_logprobs"][1:], expected[1:], atol=1e-9)


def test_after_the_mark_of_the_beginning_every_token_has_its_probability(server, ngram):
    text = "the students opened their books"
    ids = [1, *ngram.ids(text).tolist(), 2]
    (choice,) = complete(server, prompt=ids, max_tokens=0, echo=True, logprobs=1)
    assert choice["text"] == "<s> " + text + "\n"
    assert choice["logprobs"]["token_logprobs"][0] is None
    assert choice["logprobs"]["tokens"][0] == "<s>"
    np.testing.assert_allclose(choice["logprobs"]["token_logprobs"][1:], surprisals(ngram, text), atol=1e-9)


def test_the_likeliest_tokens_hold_the_argmax_and_the_token_itself(server, ngram):
    (choice,) = complete(server, prompt="the students opened", max_tokens=0, echo=True, logprobs=2)
    tops = choice["logprobs"]["top_logprobs"]
    assert tops[0] is None
    for t, before in ((1, "the"), (2, "the students")):
        expected = ngram.next(before, k=2)
        best = dict(zip(expected.words, expected.log_probs.tolist(), strict=True))
        for word, value in best.items():
            assert tops[t]["\n" if word == "</s>" else " " + word] == pytest.approx(value, abs=1e-9)
        assert tops[t][choice["logprobs"]["tokens"][t]] == choice["logprobs"]["token_logprobs"][t]


def test_logprobs_of_none_one_and_true(server):
    asked = {"prompt": "the students", "max_tokens": 3, "seed": 1, "ignore_eos": True}
    assert complete(server, **asked, logprobs=False)[0]["logprobs"] is None
    none, one, true = (complete(server, **asked, logprobs=value)[0]["logprobs"] for value in (0, 1, True))
    assert none == {**one, "top_logprobs": None}
    assert one == true
    assert all(1 <= len(top) <= 2 for top in one["top_logprobs"])


def test_tokens_written_have_the_model_s_own_probabilities(server, ngram):
    """Before temperature and samplers: those of the text that came out."""
    (choice,) = complete(
        server, prompt="the", max_tokens=8, temperature=0.5, top_k=3, seed=3, logprobs=1, ignore_eos=True
    )
    expected = surprisals(ngram, "the" + choice["text"])
    found = choice["logprobs"]["token_logprobs"]
    np.testing.assert_allclose(found, expected[1 : 1 + len(found)], atol=1e-9)
    assert "".join(choice["logprobs"]["tokens"]) == choice["text"]


def test_a_line_ends_where_the_model_ends_it(server):
    (choice,) = complete(server, prompt="the proctor started the", temperature=0, max_tokens=10, logprobs=0)
    assert (choice["text"], choice["finish_reason"]) == (" clock", "stop")
    assert choice["logprobs"]["tokens"] == [" clock", "\n"]  # the end has a probability, too
    (choice,) = complete(server, prompt="the proctor started the", temperature=0, max_tokens=4, ignore_eos=True)
    assert (choice["text"][:7], choice["finish_reason"]) == (" clock\n", "length")


def test_stop_across_tokens(server):
    asked = {"prompt": "the proctor started the clock , the", "temperature": 0, "max_tokens": 10}
    whole = complete(server, **asked)[0]["text"]
    assert whole == " students opened their books"
    for stop in ("dents ope", ["nowhere", "dents ope", "their"]):
        (choice,) = complete(server, **asked, stop=stop, logprobs=0)
        assert (choice["text"], choice["finish_reason"]) == (" stu", "stop")
        assert choice["logprobs"]["tokens"] == [" students"]
    assert complete(server, **asked, stop=[" "])[0]["text"] == ""
    assert complete(server, **asked, stop="elsewhere")[0]["text"] == whole


def test_a_bias_makes_a_token_likely_or_impossible(server, ngram):
    door, clock = ngram.ids("door clock").tolist()
    asked = {"prompt": "the proctor started the", "max_tokens": 1, "temperature": 0}
    assert complete(server, **asked, logit_bias={str(door): 100})[0]["text"] == " door"
    assert complete(server, **asked, logit_bias={str(clock): -100})[0]["text"] != " clock"
    assert complete(server, **asked, logit_bias={})[0]["text"] == " clock"


def test_a_stream_gives_the_same_text_in_pieces(server):
    for more in ({}, {"logprobs": 2}, {"echo": True}, {"n": 3}, {"stop": "opened the"}, {"max_tokens": 0}):
        asked = {"prompt": ["the students", "the"], "max_tokens": 8, "seed": 2, **more}
        whole, chunks = complete(server, **asked), events(server, **asked)
        for choice in whole:
            mine = [one["choices"][0] for one in chunks if one["choices"][0]["index"] == choice["index"]]
            assert "".join(one["text"] for one in mine) == choice["text"]
            assert [one["finish_reason"] for one in mine] == [None] * (len(mine) - 1) + [choice["finish_reason"]]
            if "logprobs" in more:
                for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                    found = [value for one in mine if one["logprobs"] for value in one["logprobs"][field]]
                    assert found == choice["logprobs"][field]


def test_the_end_of_a_stream_tells_the_usage(server):
    asked = {"prompt": "the students", "max_tokens": 3, "ignore_eos": True}
    chunks = events(server, **asked, stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 3
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    assert "usage" not in events(server, **asked)[0]


def test_characters_need_no_spaces(several, chars):
    (choice,) = complete(several, model="chars", prompt="the stu", max_tokens=9, seed=1, echo=True, logprobs=1)
    assert choice["text"] == chars.generate("the stu", max_tokens=9, seed=1)[0]
    shown = choice["logprobs"]["tokens"]
    assert "".join(shown) == choice["text"] + "\n" * (choice["finish_reason"] == "stop")
    assert shown[:7] == list("the stu")


def test_a_character_of_several_bytes_comes_whole(several, bytewise):
    asked = {"model": "bytes", "prompt": "é€ ", "max_tokens": 12, "temperature": 0}
    (choice,) = complete(several, **asked, logprobs=0)
    assert "é€ " + choice["text"] == bytewise.generate("é€ ", max_tokens=12, temperature=0)[0]
    assert r"bytes:\xc3" in choice["logprobs"]["tokens"]
    assert "".join(chunk["choices"][0]["text"] for chunk in events(several, **asked)) == choice["text"]
    cut = complete(several, model="bytes", prompt="é", max_tokens=1, temperature=0)[0]["text"]
    assert cut == "�"  # the first byte of a character
    half = bytewise.ids("é").tolist()[:1]
    asked = {"model": "bytes", "prompt": half, "temperature": 0, "logprobs": 0, "ignore_eos": True}
    for more, text, number in (
        ({"max_tokens": 0, "echo": True}, "�", 1),
        ({"max_tokens": 1}, "é", 1),
        ({"max_tokens": 2}, "é�", 2),
    ):
        (choice,) = complete(several, **asked, **more)
        assert (choice["text"], len(choice["logprobs"]["tokens"])) == (text, number)
        pieces = [chunk["choices"][0] for chunk in events(several, **asked, **more)]
        assert "".join(one["text"] for one in pieces) == text
        assert sum(len(one["logprobs"]["tokens"]) for one in pieces if one["logprobs"]) == number


def test_scores_that_are_no_probabilities_can_be_asked_for_and_nothing_else(several, stupid):
    text = "the students opened their books"
    (choice,) = complete(several, model="stupid", prompt=text, max_tokens=0, echo=True, logprobs=0)
    expected, _ = stupid.model.token_log_probs(stupid.ids(text)[None])
    np.testing.assert_allclose(choice["logprobs"]["token_logprobs"][1:], expected[0, 1:], atol=1e-9)
    for asked in ({"max_tokens": 1}, {"max_tokens": 0, "echo": True, "logprobs": 1}):
        status, _, answer = call(several, "/v1/completions", {"model": "stupid", "prompt": text, **asked})
        assert (status, answer["error"]["message"]) == (
            400,
            "stupid gives scores, no probabilities of the next token, so it cannot write or tell the likeliest token; "
            "ask for max_tokens 0, echo and logprobs 0",
        )


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"prompt": 7}, "prompt", "prompt: expected a text, a list of texts, a list of ids, or a list of lists of ids"),
        ({"prompt": ["a", 7]}, "prompt", "prompt: expected texts alone, or ids alone"),
        ({"prompt": [3, -1]}, "prompt", "prompt: an id lies between 0 and 2147483647"),
        ({"prompt": [True]}, "prompt", "prompt: expected a text, a list of texts, a list of ids, or a list of lists of ids"),  # fmt: skip # noqa: E501
        ({"prompt": "a" * 200_001}, "prompt", "prompt: 200,001 characters are more than 200,000"),
        ({"prompt": [3] * 32_769}, "prompt", "prompt: 32,769 tokens are more than 32,768"),
        ({"prompt": "a " * 40_000}, "prompt", "prompt: 40,000 tokens are more than 32,768"),
        ({"prompt": ["a"] * 129}, "prompt", "prompt: 129 prompts are more than the 128 that one request may have"),
        ({"prompt": "\ud800"}, "prompt", "prompt: character 1 is half a surrogate pair, which is no text"),
        ({"max_tokens": -1}, "max_tokens", "max_tokens: expected 0 or more"),
        ({"max_tokens": "7"}, "max_tokens", "max_tokens: expected a whole number"),
        ({"max_tokens": 4096, "n": 17}, "max_tokens", "max_tokens: 4,096 tokens for each of 17 texts are more than 65,536"),  # fmt: skip # noqa: E501
        ({"prompt": ["a"] * 3, "n": 64}, "n", "n: 3 prompts times 64 are more than 128 texts"),
        ({"n": 0}, "n", "n: expected 1 or more"),
        ({"temperature": -0.5}, "temperature", "temperature: expected 0 or more"),
        ({"top_p": 0}, "top_p", "top_p: expected more than 0"),
        ({"min_p": 1.5}, "min_p", "min_p: expected at most 1"),
        ({"seed": -1}, "seed", "seed: expected 0 or more"),
        ({"logprobs": 101}, "logprobs", "logprobs: expected 0 to 100"),
        ({"logprobs": 100, "max_tokens": 4096, "n": 3}, "logprobs", "logprobs: 100 for each of 12,288 tokens are more than 1,000,000 numbers"),  # fmt: skip # noqa: E501
        ({"logit_bias": {"x": 1}}, "logit_bias", 'logit_bias: its names are ids, such as "17"'),
        ({"logit_bias": {"3": 101}}, "logit_bias", "logit_bias: its values are numbers from -100 to 100"),
        ({"logit_bias": {"999": 1}}, "logit_bias", "logit_bias: id 999 is not in the vocabulary, whose ids are 0 to 19"),  # fmt: skip # noqa: E501
        ({"stop": ["a"] * 17}, "stop", "stop: expected a text, or a list of at most 16"),
        ({"stop": ""}, "stop", "stop: a text at which to stop has 1 to 200 characters"),
        ({"best_of": 2}, "best_of", "best_of: there is no best_of here; ask for n texts and choose by their logprobs"),
        ({"suffix": "end"}, "suffix", "suffix: these models write from left to right, and towards no suffix; leave it out"),  # fmt: skip # noqa: E501
        ({"presence_penalty": 0.5}, "presence_penalty", "presence_penalty: these models' probabilities are used as they are; leave it out, or use logit_bias"),  # fmt: skip # noqa: E501
        ({"messages": []}, "messages", "messages: there is no such field here; leave it out"),
        ({"stream_options": {"x": 1}}, "stream_options", "stream_options.x: there is no such field here; leave it out"),
    ],
)  # fmt: skip
def test_a_field_that_is_wrong_is_named(server, body, param, message):
    status, _, answer = call(server, "/v1/completions", body)
    assert (status, answer["error"]["param"], answer["error"]["message"]) == (422, param, message)
    assert answer["error"]["type"] == "invalid_request_error"


def test_fields_that_change_nothing_are_taken(server):
    usual = {"best_of": 1, "suffix": None, "presence_penalty": 0, "frequency_penalty": 0.0, "user": "me", "stop": None}
    asked = {"prompt": "the", "seed": 1}
    assert complete(server, **asked, **usual) == complete(server, **asked)
    assert complete(server, **asked, top_k=-1, min_p=0.0, top_p=1.0) == complete(server, **asked)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 422, "the body: is missing; send a JSON object with Content-Type: application/json"),
        (b"{", 400, "the body is not JSON: Expecting property name enclosed in double quotes at character 1"),
        (b"[" * 100_000, 400, "the body is not JSON that can be read: it must be UTF-8, not too deep, and its numbers not too long"),  # fmt: skip # noqa: E501
        (b'{"max_tokens": ' + b"9" * 10_000 + b"}", 400, "the body is not JSON that can be read: it must be UTF-8, not too deep, and its numbers not too long"),  # fmt: skip # noqa: E501
        (b'{"prompt": "\xff"}', 400, "the body is not JSON that can be read: it must be UTF-8, not too deep, and its numbers not too long"),  # fmt: skip # noqa: E501
        (b'{"temperature": 1e999}', 422, "temperature: expected a finite number"),
        (b'{"temperature": NaN}', 422, "temperature: expected a finite number"),
        (b"7", 422, "the body: Input should be a valid dictionary or object to extract fields from; send a JSON object with Content-Type: application/json"),  # fmt: skip # noqa: E501
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read(server, body, status, message):
    found, _, answer = call(server, "/v1/completions", body)
    assert (found, answer["error"]["message"]) == (status, message)


def test_a_form_is_no_json(server):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    status, _, answer = call(server, "/v1/completions", json.dumps({"prompt": "a"}).encode(), headers=headers)
    assert status == 422
    assert answer["error"]["message"].endswith("send a JSON object with Content-Type: application/json")


def test_a_model_that_is_not_served(server):
    status, _, answer = call(server, "/v1/completions", {"model": "gpt\n-7"})
    assert (status, answer["error"]) == (
        404,
        {
            "message": r"there is no model 'gpt\n-7'; this server has ngram", "type": "not_found_error",
            "param": "model", "code": "model_not_found",
        },
    )  # fmt: skip
