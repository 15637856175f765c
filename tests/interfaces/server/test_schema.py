"""The API against its own description: schemathesis makes requests from it, right ones and wrong ones."""

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
schemathesis = pytest.importorskip("schemathesis")

import requests  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis.errors import Unsatisfiable  # noqa: E402
from schemathesis import GenerationMode  # noqa: E402

from interfaces.server.running import running  # noqa: E402

# A few hundred requests in all; the same ones everywhere.
BOUNDED = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# 400 and 404 say what no description can: that a model's vocabulary lacks an id, or that there is no such model.
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["2xx", "400", "404", "413"]},
    "negative_data_rejection": {"expected-statuses": ["400", "404", "405", "413", "422"]},
}


@pytest.fixture(scope="module")
def api(ngram, lstm):
    """What the server says of itself, ready to be asked."""
    config = schemathesis.Config.from_dict({"checks": CHECKS})
    with running({"ngram": ngram, "lstm": lstm}) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json", config=config)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_described(api, mode):
    """No 500; statuses, headers and bodies as described; what is wrong is refused, what is right is not."""
    operations = {found.ok().label: found.ok() for found in api.get_all_operations()}
    assert {"POST /v1/completions", "POST /tokenize", "POST /explore/next"} <= set(operations)
    failures, asked = [], 0
    with requests.Session() as session:
        for label, operation in operations.items():

            @BOUNDED
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case):
                nonlocal asked
                asked += 1
                case.body = whole(case.body)
                case.call_and_validate(session=session)

            try:
                check()
            except Unsatisfiable:
                assert label.startswith("GET ")  # nothing of it can be wrong
            except BaseExceptionGroup as group:  # what schemathesis found; no Exception, so that nothing swallows it
                failures.append(f"{label}: {group}")
    assert not failures, "\n".join(failures)
    assert asked >= 100


def whole(value):
    """``value`` with 3 for 3.0: to a description they are the same number, and clients send the first."""
    match value:
        case dict():
            return {key: whole(item) for key, item in value.items()}
        case list():
            return [whole(item) for item in value]
        case float() if value.is_integer():
            return int(value)
    return value
