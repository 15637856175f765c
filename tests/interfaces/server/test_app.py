"""What the server is as a whole: its models and their tokens, how it is, how it says no, how it describes itself."""

import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from interfaces.server.running import call, complete, running  # noqa: E402
from nextword.interfaces.server.engine import Busy, Engine, Late  # noqa: E402
from nextword.interfaces.server.metrics import Metrics  # noqa: E402
from nextword.interfaces.server.models import Models, Served, UnknownModel, models_in, names_of  # noqa: E402


def test_models(server):
    status, _, found = call(server, "/v1/models")
    assert (status, found["object"]) == (200, "list")
    (card,) = found["data"]
    assert {**card, "created": 0} == {"id": "ngram", "object": "model", "created": 0, "owned_by": "nextword"}
    assert call(server, "/v1/models/ngram")[2] == card
    status, _, answer = call(server, "/v1/models/gpt")
    assert (status, answer["error"]["message"]) == (404, "there is no model 'gpt'; this server has ngram")


def test_directories_of_one_name_are_told_apart(tmp_path):
    paths = [tmp_path / one for one in ("a/lstm", "b/lstm", "ngram", "a/lstm", "x\udcff", "b/../ngram2")]
    assert names_of(paths) == ["a-lstm", "b-lstm", "ngram", "a-lstm-2", "x�", "ngram2"]


def test_a_folder_of_models_stands_for_them(tmp_path, ngram):
    for name in ("b", "a"):
        ngram.save(tmp_path / name)
    (tmp_path / "b.training").mkdir()
    (tmp_path / "compare.json").write_text("{}")
    (tmp_path / "tagger").mkdir()
    (tmp_path / "tagger" / "config.json").write_text('{"kind": "tagger"}')
    assert models_in(tmp_path) == [tmp_path / "a", tmp_path / "b"]
    assert models_in(tmp_path / "a") == [tmp_path / "a"]
    for other in (tmp_path / "b.training", tmp_path / "compare.json", tmp_path / "absent"):
        assert models_in(other) == [other]


def test_the_first_model_is_the_default(ngram):
    models = Models([Served("a", ngram, Engine(ngram)), Served("b", ngram, Engine(ngram))])
    assert (models.get().name, models.get("b").name, [one.name for one in models]) == ("a", "b", ["a", "b"])
    with pytest.raises(UnknownModel, match="there is no model 'c'; this server has a, b"):
        models.get("c")


def test_what_a_tokenizer_is(server):
    _, _, info = call(server, "/tokenizer_info")
    assert info == {
        "model": "ngram", "tokenizer": "whitespace", "vocabulary_size": 20, "bos_token": "<s>", "bos_token_id": 1,
        "eos_token": "</s>", "eos_token_id": 2, "unk_token": "<unk>", "unk_token_id": 0, "pad_token": None,
        "chat_template": None, "max_length": 32768,
    }  # fmt: skip
    assert call(server, "/tokenizer_info?model=gpt")[0] == 404


def test_tokenize_and_back(server, ngram):
    students, opened = ngram.ids("students opened").tolist()
    _, _, found = call(server, "/tokenize", {"prompt": "students opened\n", "return_token_strs": True})
    assert found == {
        "count": 4, "max_model_len": 32768, "tokens": [1, students, opened, 2],
        "token_strs": ["<s>", "students", "opened", "</s>"],
    }  # fmt: skip
    for text, ids in (("students opened\n", [students, opened, 2]), ("<s>", [1]), ("</s>", [2]), ("", [])):
        plain = call(server, "/tokenize", {"prompt": text, "add_special_tokens": False})[2]
        assert plain["tokens"] == ids
    for ids in ([1, students, opened, 2], [students, 2, 2, opened], [], [1]):
        text = call(server, "/detokenize", {"tokens": ids})[2]["prompt"]
        again = call(server, "/tokenize", {"prompt": text, "add_special_tokens": False})[2]["tokens"]
        assert again == ids
    status, _, answer = call(server, "/detokenize", {"tokens": [99]})
    assert (status, answer["error"]["message"]) == (400, "id 99 is not in the vocabulary, whose ids are 0 to 19")


def test_health_and_metrics(ngram):
    with running({'n"1\\': ngram}) as server:
        assert call(server, "/health")[::2] == (200, {"status": "ok"})
        choice, _ = complete(server, prompt="the students", max_tokens=4, n=2, ignore_eos=True)
        assert choice["finish_reason"] == "length"
        call(server, "/nowhere/" + "x" * 40)
        call(server, "/v1/completions", {"prompt": 1})
        _, headers, text = call(server, "/metrics")
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    assert found['nextword_requests_total{route="/v1/completions",status="200"}'] == "1"
    assert found['nextword_requests_total{route="/v1/completions",status="422"}'] == "1"
    assert found['nextword_requests_total{route="other",status="404"}'] == "1"
    assert found[r'nextword_tokens_total{model="n\"1\\",kind="read"}'] == "2"
    assert found[r'nextword_tokens_total{model="n\"1\\",kind="written"}'] == "8"
    assert found[r'nextword_engine_running{model="n\"1\\"}'] == "0"
    assert found['nextword_request_seconds_bucket{route="/v1/completions",le="+Inf"}'] == "2"
    assert found["nextword_requests_running"] == "1"
    assert int(found["process_resident_memory_bytes"]) >= 0
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="([^"\\]|\\.)*"(,[a-z]+="([^"\\]|\\.)*")*\})?', name) for name in found)


def test_a_histogram_counts_what_is_below_each_bound():
    metrics = Metrics()
    for seconds in (0.001, 0.005, 0.3, 100.0):
        metrics.answered("/x", 200, seconds)
    found = [line for line in metrics.text(Models([])).splitlines() if line.startswith("nextword_request_seconds")]
    assert [int(line.rsplit(" ", 1)[1]) for line in found[:-2]] == [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 4]
    assert found[-2:] == ['nextword_request_seconds_sum{route="/x"} 100.306000', 'nextword_request_seconds_count{route="/x"} 4']  # fmt: skip # noqa: E501


def test_what_is_not_there(server):
    status, _, answer = call(server, "/v1/nowhere")
    assert (status, answer["error"]["message"]) == (
        404, "there is nothing at this address; the API is under /v1, the page at /",
    )  # fmt: skip
    status, headers, answer = call(server, "/v1/completions")
    assert (status, headers["Allow"], answer["error"]["message"]) == (405, "POST", "Method Not Allowed")


def failing(ngram, error):
    """An engine that fails."""

    class Failing(Engine):
        async def score(self, ids, *, top=0):
            raise error

    return Models([Served("ngram", ngram, Failing(ngram))])


@pytest.mark.parametrize(
    ("error", "status", "kind", "message"),
    [
        (Busy("the queue is full"), 429, "rate_limit_error", "the queue is full"),
        (Late(), 503, "server_error", "the request took too long; ask for less at once"),
        (ZeroDivisionError("secret"), 500, "server_error", "an unexpected error; the server's own messages tell more"),
    ],
)
def test_errors_of_an_engine(ngram, capfd, error, status, kind, message):
    with running(failing(ngram, error)) as server:
        found, headers, answer = call(server, "/v1/completions", {"prompt": "the", "echo": True, "logprobs": 1})
        assert (found, answer["error"]["type"], answer["error"]["message"]) == (status, kind, message)
        assert headers.get("Retry-After") == ("1" if status == 429 else None)
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert ("ZeroDivisionError: secret" in capfd.readouterr().err) == (status == 500)


def test_an_error_in_mid_stream_is_its_last_event(ngram):
    class Failing(Engine):
        async def generate(self, wish):
            async for tokens in super().generate(wish):
                yield tokens[:1]
                raise Late("too slow")

    with running(Models([Served("ngram", ngram, Failing(ngram))])) as server:
        asked = {"prompt": "the", "stream": True, "max_tokens": 9, "ignore_eos": True}
        status, _, content = call(server, "/v1/completions", asked)
    assert (status, content.count(b"data: "), b"[DONE]" in content) == (200, 2, False)
    assert content.endswith(
        b'data: {"error": {"message": "too slow", "type": "server_error", "param": null, "code": "too_late"}}\n\n'
    )


def test_the_description_names_every_answer(server):
    _, _, found = call(server, "/openapi.json")
    posted = found["paths"]["/v1/completions"]["post"]["responses"]
    assert set(posted) >= {"200", "400", "401", "404", "413", "422", "429", "503"}
    assert set(posted["200"]["content"]) == {"application/json", "text/event-stream"}
    failures = {one["content"]["application/json"]["schema"]["$ref"] for s, one in posted.items() if s != "200"}
    assert failures == {"#/components/schemas/Failure"}
    request = found["components"]["schemas"]["CompletionRequest"]
    assert request["additionalProperties"] is False
    assert "HTTPValidationError" not in found["components"]["schemas"]
