"""The engine: requests that run together get what each would get alone, and none takes another's time or place."""

import asyncio
import threading
from contextlib import aclosing, asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interfaces.server.following import Following
from nextword import train
from nextword.errors import UsageError, VocabularyError
from nextword.interfaces.server.engine import Busy, Engine, Late, Wish
from nextword.lm import LM
from nextword.model import check_language_model
from nextword.tasks.generate import generate
from nextword.tasks.next import top_indices
from nextword.tasks.sampling import Sampling
from toy import EOS, UNK, BigramTable, DecayingVotes

GREEDY = Sampling(0)
ENDLESS = Wish([3], GREEDY, max_tokens=10**9, stop_at_end=False)


@asynccontextmanager
async def serving(model, **options):
    """An engine that is closed in the end, with nothing left behind."""
    before, engine = engines(), Engine(LM(model), **options)
    try:
        yield engine
    finally:
        await engine.close(0)
        assert (engine.waiting, engine.running) == (0, 0)
        assert engines() <= before


def engines():
    """The threads of engines; other tests' servers may have some."""
    return {thread for thread in threading.enumerate() if thread.name == "nextword-engine"}


async def texts(engine, wish):
    """The ids of each sample."""
    found = [[] for _ in range(wish.samples)]
    async with aclosing(engine.generate(wish)) as steps:
        async for tokens in steps:
            assert tokens
            for token in tokens:
                found[token.sample].append(token.id)
    return found


async def until(condition):
    """Wait, for ten seconds at most."""
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("what was waited for did not come")


@asynccontextmanager
async def held(engine):
    """The engine's thread is held in a call."""
    entered, leave = threading.Event(), threading.Event()

    def hold():
        entered.set()
        assert leave.wait(20)

    call = asyncio.create_task(engine.run(hold))
    await until(entered.is_set)
    try:
        yield
    finally:
        leave.set()
        await asyncio.gather(call, return_exceptions=True)


def test_the_model_of_these_tests_keeps_the_protocol():
    check_language_model(Following(12))


REQUEST = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["generate", "generate", "generate", "score", "top", "run"]),
        "prompt": st.lists(st.integers(3, 39), max_size=30),
        "samples": st.integers(1, 5),
        "length": st.integers(0, 40),
        "after": st.integers(0, 6),
        "cancel": st.none() | st.integers(0, 10),
    }
)


@given(st.lists(REQUEST, max_size=25), st.integers(1, 7))
def test_answers_never_mix_whenever_requests_come_and_go(requests, slots):
    model = Following()

    async def ask(engine, request):
        prompt = request["prompt"]
        for _ in range(request["after"]):
            await asyncio.sleep(0)
        if request["kind"] == "run":
            assert await engine.run(sum, prompt) == sum(prompt)
        elif request["kind"] == "generate":
            wish = Wish(prompt, GREEDY, max_tokens=request["length"], samples=request["samples"])
            assert await texts(engine, wish) == [model.text(prompt, request["length"])] * request["samples"]
        else:
            text = prompt + model.text(prompt, 5)
            scored = await engine.score(text, top=2 * (request["kind"] == "top"))
            expected = model.token_log_probs(np.array([text], dtype=np.int32))[0]
            assert scored.log_probs.tolist() == expected[0].tolist()
            if request["kind"] == "top":
                assert scored.top_ids[len(prompt) :, 0].tolist() == model.text(prompt, 5)

    async def cancelled(task, steps):
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()

    async def main():
        async with serving(model, slots=slots) as engine:
            tasks = [asyncio.create_task(ask(engine, request)) for request in requests]
            for task, request in zip(tasks, requests, strict=True):
                if request["cancel"] is not None:
                    await cancelled(task, request["cancel"])
            for task, request in zip(tasks, requests, strict=True):
                try:
                    await task
                except asyncio.CancelledError:
                    assert request["cancel"] is not None
            await until(lambda: engine.waiting == engine.running == 0)

    asyncio.run(main())


@pytest.mark.parametrize("kind", [BigramTable, DecayingVotes])
def test_a_sample_is_that_of_generate_with_the_same_seed(kind):
    """Each with settings of its own, side by side, in fewer slots than there are samples."""
    model = kind(size=30)
    samplings = [
        Sampling(),
        Sampling(0.7),
        Sampling(0),
        Sampling(1.3, top_k=5),
        Sampling(top_p=0.8),
        Sampling(2, min_p=0.1),
    ]
    wishes = [
        Wish([3 + i % 20, 4][: i % 3], samplings[i % 6], max_tokens=17 * i % 90, samples=1 + i % 4, seed=i, top=i % 3)
        for i in range(30)
    ]

    async def main():
        async with serving(model, slots=5) as engine:
            return await asyncio.gather(*[texts(engine, wish) for wish in wishes])

    for wish, found in zip(wishes, asyncio.run(main()), strict=True):
        options = {"max_tokens": wish.max_tokens, "seed": wish.seed, "samples": wish.samples, **vars(wish.sampling)}
        assert [tuple(ids) for ids in found] == [g.ids for g in generate(model, wish.prompt, **options)]
        assert UNK not in sum(found, [])


@pytest.mark.parametrize("kind", ["lstm", "transformer"])
def test_networks_write_together_what_they_write_alone(kind):
    """In float64, where the shape of a batch moves a log-probability too little for another token to be drawn."""
    pytest.importorskip("torch")
    from neural.fitting import tiny_model

    sizes = {"hidden_size": 8} if kind == "lstm" else {"layers": 2, "heads": 1, "context": 8}
    model = tiny_model(kind, scope="stream", double=True, embedding_size=8, **sizes)
    wishes = [Wish([3, 4, 5, 6, 2][: i % 6] * (1 + i % 3), max_tokens=6 + i, seed=i, samples=2) for i in range(8)]

    async def main():
        async with serving(model, slots=6) as engine:
            scores = [engine.score(wish.prompt, top=i % 2) for i, wish in enumerate(wishes)]
            return await asyncio.gather(*[texts(engine, wish) for wish in wishes], *scores)

    found = asyncio.run(main())
    for wish, ids, scored in zip(wishes, found[: len(wishes)], found[len(wishes) :], strict=True):
        alone = generate(model, wish.prompt, max_tokens=wish.max_tokens, seed=wish.seed, samples=2)
        assert [tuple(one) for one in ids] == [g.ids for g in alone]
        expected, _ = model.token_log_probs(np.array([wish.prompt], dtype=np.int32).reshape(1, -1))
        np.testing.assert_allclose(scored.log_probs, expected[0], atol=1e-12)


def test_log_probabilities_are_the_models_own_and_alternatives_come_where_they_are_asked_for():
    model = BigramTable(size=9)
    wish = Wish([4], Sampling(0.5, top_k=3), max_tokens=30, seed=1, top=4, bias={5: 2.0, 6: -100}, stop_at_end=False)

    async def main():
        async with serving(model) as engine:
            one = [token async for tokens in engine.generate(wish) for token in tokens]
            return one, [token async for tokens in engine.generate(Wish([4])) for token in tokens]

    asked, other = asyncio.run(main())
    before = 4
    for token in asked:
        row = model.table[1 if before == EOS else before]
        assert token.log_prob == row[token.id]
        assert token.top_ids.tolist() == top_indices(row, 4).tolist()
        assert token.top_log_probs.tolist() == row[token.top_ids].tolist()
        before = token.id
    assert len(asked) == 30
    assert 6 not in [token.id for token in asked]
    assert all(len(token.top_ids) == len(token.top_log_probs) == 0 for token in other)


def test_a_bias_is_added_before_the_samplers():
    table = BigramTable(size=6).table
    table[:] = np.log([0.0, 0.0, 0.0, 0.6, 0.3, 0.1], where=[0, 0, 0, 1, 1, 1], out=np.full(6, -np.inf))
    wishes = [
        Wish([], GREEDY, max_tokens=1, bias=bias)
        for bias in ({}, {4: 0.7}, {4: 0.69}, {3: -100.0}, {5: 2.0, 4: 0.5}, {3: -100, 4: -100, 5: -100})
    ]

    async def main():
        async with serving(BigramTable(table)) as engine:
            return await asyncio.gather(*[texts(engine, wish) for wish in wishes])

    assert asyncio.run(main()) == [[[3]], [[4]], [[3]], [[4]], [[5]], [[]]]


def test_scores_of_texts_that_wait_together():
    model = DecayingVotes(size=12)
    random = np.random.default_rng(0)
    rows = [random.integers(2, 12, size=n).astype(np.int32) for n in (0, 1, 5, 700, 33, 0, 2)]

    async def main():
        async with serving(model) as engine:
            async with held(engine):
                tasks = [asyncio.create_task(engine.score(ids, top=top)) for ids in rows for top in (0, 3, 12)]
                await until(lambda: engine.waiting == len(tasks))
            return await asyncio.gather(*tasks)

    found = iter(asyncio.run(main()))
    for ids in rows:
        expected = model.token_log_probs(ids[None])[0][0]
        for top in (0, 3, 12):
            scored = next(found)
            np.testing.assert_allclose(scored.log_probs, expected, atol=1e-12)
            assert scored.top_ids.shape == scored.top_log_probs.shape == (len(ids), top)
        state = model.start(1)
        for t, token in enumerate(ids[:40]):
            row = model.log_probs(state)[0]
            assert scored.top_ids[t].tolist() == [*top_indices(row, 12), -1]  # <s> is impossible
            state = model.advance(state, token[None, None])


def test_the_faster_door_to_distributions_is_taken():
    class WithDoor(BigramTable):
        def distributions(self, tokens, state):
            for at in range(0, tokens.shape[1], 2):
                before = np.concatenate([state[:, None], tokens[:, at : at + 2]], axis=1)
                before = np.where(before == EOS, 1, before)
                state = self.advance(state, tokens[:, at : at + 2])
                yield self.table[before[:, :-1]], state

        def log_probs(self, state):
            raise AssertionError("one step at a time")

        def token_log_probs(self, tokens, state=None):
            assert tokens.size > 128
            return super().token_log_probs(tokens, state)

    model, ids = WithDoor(size=9), [3, 4, 2, 5, 5]

    async def main():
        async with serving(model) as engine:
            wanted = [engine.score(ids, top=2), engine.score(ids[:2], top=1), engine.score(ids), engine.score(ids * 99)]
            return await asyncio.gather(*wanted)

    found = asyncio.run(main())
    assert found[2].log_probs.tolist() == found[0].log_probs.tolist()
    np.testing.assert_array_equal(found[3].log_probs, model.token_log_probs(np.array([ids * 99]))[0][0])
    for scored, length in zip(found[:2], (5, 2), strict=True):
        rows = model.table[[1, 3, 4, 1, 5][:length]]
        assert scored.log_probs.tolist() == rows[np.arange(length), ids[:length]].tolist()
        assert scored.top_ids[:, 0].tolist() == rows.argmax(axis=1).tolist()


def test_a_request_is_refused_when_the_queue_is_full():
    async def main():
        async with serving(Following(), queue=2) as engine:
            async with held(engine):
                tasks = [asyncio.create_task(engine.score([3])), asyncio.create_task(engine.run(int))]
                await until(lambda: engine.waiting == 2)
                for refused in (engine.score([3]), engine.run(int), texts(engine, Wish([3]))):
                    with pytest.raises(Busy) as caught:
                        await refused
                    assert str(caught.value) == full
                tasks[0].cancel()
                await until(lambda: engine.waiting == 1)
                tasks.append(asyncio.create_task(engine.run(str)))
                await until(lambda: engine.waiting == 2)
            assert await asyncio.gather(*tasks[1:]) == [0, ""]

    full = "2 requests are waiting, as many as may; send the request again in a second"
    asyncio.run(main())


def test_a_request_has_its_time():
    async def main():
        words = "^the request took longer than 0.05 seconds; ask for less at once, or come again later$"
        async with serving(Following(), time_limit=0.05) as engine:
            with pytest.raises(Late, match=words):
                await texts(engine, ENDLESS)
            await until(lambda: engine.running == 0)
            leave = threading.Event()
            for late in (engine.run(leave.wait, 20), engine.score([3]), texts(engine, Wish([3]))):
                with pytest.raises(Late, match=words):  # the first is under way, the others are in the queue
                    await late
            assert engine.waiting == 0
            leave.set()

    asyncio.run(main())


def test_closing_the_iterator_or_cancelling_the_task_frees_the_slots():
    async def main():
        async with serving(Following(), slots=2) as engine:
            async with aclosing(engine.generate(ENDLESS)) as steps:
                assert await anext(steps)
                assert engine.running == 1
            await until(lambda: engine.running == 0)
            tasks = [asyncio.create_task(texts(engine, ENDLESS)) for _ in range(3)]
            await until(lambda: (engine.running, engine.waiting) == (2, 1))
            tasks[2].cancel()
            await until(lambda: (engine.running, engine.waiting) == (2, 0))
            tasks[0].cancel()
            await until(lambda: engine.running == 1)
            model = engine.lm.model
            assert await texts(engine, Wish([9], GREEDY, max_tokens=9)) == [model.text([9], 9)]
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_closing_finishes_what_it_can_and_refuses_the_rest():
    async def main():
        before, engine = engines(), Engine(LM(Following()), slots=2)
        async with held(engine):
            endless = asyncio.create_task(texts(engine, ENDLESS))
            short = asyncio.create_task(texts(engine, Wish([5], GREEDY, max_tokens=300, stop_at_end=False)))
            waiting = asyncio.create_task(texts(engine, Wish([7], GREEDY, max_tokens=3)))
            await until(lambda: engine.waiting == 3)
            closing = asyncio.create_task(engine.close(2.0))
            await asyncio.sleep(0)
            with pytest.raises(Busy, match="^the server is closing; send the request again later$"):
                await engine.run(int)
        assert await waiting == [engine.lm.model.text([7], 3)]
        assert len((await short)[0]) == 300
        with pytest.raises(Busy, match="^the server is closing; send the request again later$"):
            await endless
        await closing
        assert engines() <= before
        with pytest.raises(Busy):
            await engine.score([3])
        await engine.close()

    asyncio.run(main())


def test_slots_are_fewer_where_each_takes_much_memory():
    class Words:
        unk = None

        def __init__(self, size):
            self.size = size

        def __len__(self):
            return self.size

    for kind, size, slots in (("lstm", 33_000, 64), ("ngram", 3_000_000, 11), ("pretrained", 50_000, 8)):
        model = Following()
        model.kind, model.vocabulary = kind, Words(size)
        assert Engine(LM(model)).slots == slots
    assert Engine(LM(Following()), slots=3).slots == 3


def test_an_engine_that_was_never_used_closes():
    asyncio.run(Engine(LM(Following())).close())


@pytest.mark.parametrize("failing", ["log_probs", "advance", "token_log_probs"])
def test_an_error_of_the_model_fails_the_requests_of_that_batch_alone(failing):
    model = Following()

    async def main():
        async with serving(model) as engine:
            async with held(engine):
                tasks = [asyncio.create_task(texts(engine, Wish([i], GREEDY, max_tokens=9))) for i in (3, 4)]
                tasks += [asyncio.create_task(engine.score([3, 4])), asyncio.create_task(engine.run(int))]
                await until(lambda: engine.waiting == 4)
                model.failing = failing
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            wrong = (True, True, False, False) if failing != "token_log_probs" else (False, False, True, False)
            assert tuple(isinstance(end, MemoryError) for end in ends) == wrong
            assert await texts(engine, Wish([5], GREEDY, max_tokens=9)) == [model.text([5], 9)]
            with pytest.raises(ZeroDivisionError):
                await engine.run(divmod, 1, 0)
            with pytest.raises(RuntimeError, match="^a call raised StopIteration$"):
                await engine.run(next, iter(()))
            assert await engine.run(divmod, 7, 2) == (3, 1)

    asyncio.run(main())


def test_no_kind_of_request_keeps_another_from_its_turn():
    """Beside a text that never ends, one that is long to read, and calls that keep coming, all get their answers."""
    model = Following()

    async def main():
        async with serving(model) as engine:
            running = asyncio.create_task(texts(engine, ENDLESS))
            await until(lambda: engine.running == 1)

            async def calling():
                while True:
                    await engine.run(int)

            callers = [asyncio.create_task(calling()) for _ in range(5)]
            model.calls.clear()
            prompt = [3 + i % 30 for i in range(20_000)]
            found = await asyncio.gather(
                texts(engine, Wish(prompt, GREEDY, max_tokens=5)),
                engine.score(prompt),
                engine.score(prompt[:500], top=1),
                texts(engine, Wish([4], GREEDY, max_tokens=5)),
                engine.run(int),
            )
            for task in (running, *callers):
                task.cancel()
            await asyncio.gather(running, *callers, return_exceptions=True)
        assert found[0] == [model.text(prompt, 5)]
        assert found[3] == [model.text([4], 5)]
        return model.calls

    calls = asyncio.run(main())
    pieces = [i for i, (name, *shape) in enumerate(calls) if name == "advance" and shape[1] > 1]
    assert len(pieces) > 3
    for one, other in zip(pieces, pieces[1:], strict=False):
        assert ("advance", 1, 1) in calls[one:other] or ("advance", 2, 1) in calls[one:other]  # a step in between
    assert all(rows * width <= 4096 for name, rows, width in (call for call in calls if len(call) == 3))


def test_requests_that_wait_together_are_one_batch():
    model = Following()

    async def main():
        async with serving(model) as engine:
            async with held(engine):
                tasks = [asyncio.create_task(texts(engine, Wish([3 + i, 4], GREEDY, max_tokens=3))) for i in range(9)]
                tasks += [asyncio.create_task(engine.score([3 + i, 4])) for i in range(9)]
                await until(lambda: engine.waiting == 18)
                model.calls.clear()
            await asyncio.gather(*tasks)

    asyncio.run(main())
    assert model.calls[:3] == [("token_log_probs", 9, 2), ("advance", 9, 2), ("log_probs", 9)]


def test_a_slow_reader_gets_all_there_is_at_once():
    async def main():
        async with serving(Following()) as engine:
            steps = engine.generate(Wish([3], GREEDY, max_tokens=50, stop_at_end=False))
            first = await anext(steps)
            await until(lambda: engine.running == 0)
            await asyncio.sleep(0)
            rest = [tokens async for tokens in steps]
            assert len(rest) <= 1  # the first may have been all
            assert len(first) + sum(map(len, rest)) == 50

    asyncio.run(main())


WRONG = [
    (Wish([3], max_tokens=-1), UsageError, "max_tokens=-1: expected 0 or more"),
    (Wish([3], samples=0), UsageError, "samples=0: expected 1 or more"),
    (Wish([3], seed=-1), UsageError, "seed=-1: expected 0 or more, or None for another text each time"),
    (Wish([3], top=-1), UsageError, "top=-1: expected how many of the likeliest tokens to give, 0 or more"),
    (Wish([3], bias={3: np.inf}), UsageError, "bias=inf for id 3: expected a number of nats to add"),
    (Wish([3], bias={99: 1}), VocabularyError, "id 99 is not in the vocabulary, whose ids are 0 to 39"),
    (Wish([3, 99]), VocabularyError, "id 99 is not in the vocabulary, whose ids are 0 to 39"),
]


@pytest.mark.parametrize(("wish", "kind", "words"), WRONG, ids=[words for _, _, words in WRONG])
def test_a_wish_that_cannot_be_granted(wish, kind, words):
    async def main():
        async with serving(Following()) as engine:
            with pytest.raises(kind) as caught:
                await texts(engine, wish)
            assert str(caught.value) == words

    asyncio.run(main())


def test_what_is_no_probability_is_scored_and_not_continued(tmp_path):
    text = tmp_path / "text"
    text.write_text("a b c\nb c a\n" * 9)
    lm = train(text, order=2, smoothing="stupid-backoff")
    ids = lm.model.vocabulary.ids(["a", "b", "c"]).tolist()
    words = (
        "a stupid-backoff model gives scores, no probabilities of the next token, so it cannot predict or write; "
        "train one with another smoothing"
    )

    async def main():
        async with serving(lm.model) as engine:
            scored = await engine.score(ids)
            assert scored.log_probs.tolist() == lm.model.token_log_probs(np.array([ids], np.int32))[0][0].tolist()
            for refused in (engine.score(ids, top=1), texts(engine, Wish(ids))):
                with pytest.raises(UsageError) as caught:
                    await refused
                assert str(caught.value) == words

    asyncio.run(main())
