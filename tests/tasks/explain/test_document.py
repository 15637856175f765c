"""The page that stands alone: what it shows, and that nothing of the text is markup."""

import math
from html.parser import HTMLParser

import pytest

import nextword
from nextword.mixture import Mixture
from nextword.tasks.explain import explain_text
from nextword.tasks.explain.document import page, strongest, write_page
from nextword.tasks.explain.gradients import Influence
from nextword.text.corpus import Corpus
from nextword.text.pipeline import Pipeline

VOID = {"meta", "br", "link", "img", "input", "hr"}
HOSTILE = '<script>alert("x")</script> <b>&amp;</b> "\'> <img/src=x>'
LINES = ["students opened their books", f"students read {HOSTILE}", "they opened it"] * 3


class Read(HTMLParser):
    """Elements that are opened and closed in turn, what they hold, and their attributes."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    def all(self, name):
        return [value for key, value in self.attributes if key == name]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    file = tmp_path_factory.mktemp("document") / "train <&>.txt"
    file.write_text("\n".join(LINES) + "\n")
    return nextword.train(file, order=3, smoothing=nextword.Smoothing(discount_fallback=True))


@pytest.fixture
def mixture(trained):
    torch = pytest.importorskip("torch")
    from nextword.neural.families import build
    from nextword.neural.model import NeuralModel

    torch.manual_seed(0)
    vocabulary = trained.model.vocabulary
    network = build("gru", {"embedding_size": 4, "hidden_size": 4, "layers": 1}, len(vocabulary), vocabulary.bos)
    return nextword.LM(Mixture([NeuralModel(network, vocabulary, scope="stream"), trained.model]), Pipeline())


def check_alone(read):
    """No script, no request, no handler, and every link to a place in the page itself."""
    assert not {"script", "img", "iframe", "object", "link", "form"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on") or name == "src"]
    places = set(read.all("id"))
    assert all(href.startswith("#") and href[1:] in places for href in read.all("href"))
    assert len(places) == len(read.all("id"))


def test_an_n_gram_models_page(trained):
    text = f"students read {HOSTILE}\nzebras"
    found = explain_text(trained, text)
    written = page(found, title="<i>model</i>")
    read = Read(written)
    check_alone(read)
    shown = "".join(read.text)
    assert "<i>model</i>" in shown and '<script>alert("x")</script>' in shown
    assert "url(" not in written and "@import" not in written and "http" not in written
    assert "i" not in read.tags and "b" not in read.tags
    for bits, log_prob in zip(found.bits, found.log_probs, strict=True):
        assert any(f"{bits:,.2f} bits, probability {math.exp(log_prob):.4g}" in title for title in read.all("title"))
    assert any(title.endswith("not in the vocabulary") for title in read.all("title"))
    for path in found.paths:
        assert path.product in shown
        assert all(rung.counted.equation in shown for rung in path.rungs)
    assert {"t1", f"t{len(found.tokens)}", "tokens"} <= set(read.all("id"))
    assert f"{len(found.tokens)} tokens, {sum(found.bits):,.2f} bits" in shown


def test_a_mixtures_page(mixture):
    read = Read(page(explain_text(mixture, HOSTILE)))
    check_alone(read)
    shown = "".join(read.text)
    assert "Counts are not shown: the model does not say what it was trained on" in shown
    assert "by the gru" in shown and "by the ngram" in shown and "gradient · input, nats" in shown


def test_one_position_is_a_short_page(trained):
    read = Read(page(explain_text(trained, "students opened it", position=2)))
    check_alone(read)
    assert [place for place in read.all("id") if place.startswith("t")] == ["tokens", "t2"]


def test_what_is_impossible_has_a_page():
    lm = nextword.train(Corpus.from_lines(LINES), order=2, smoothing="mle")
    shown = "".join(Read(page(explain_text(lm, "books books"))).text)
    assert "infinite bits, perplexity infinite" in shown


def test_control_characters_are_no_part_of_a_page(trained):
    written = page(explain_text(trained, "students \x00\x1b[31m\u202egnp"))
    assert not {"\x00", "\x1b", "\u202e"} & set(written)


def test_it_is_for_light_dark_and_paper(trained, tmp_path):
    write_page(explain_text(trained, "they"), tmp_path / "why.html")
    written = (tmp_path / "why.html").read_text(encoding="utf-8")
    for part in ("prefers-color-scheme: dark", "@media print", "color-scheme: light dark", 'lang="en"', "viewport"):
        assert part in written


def test_the_strongest_come_first_and_what_has_none_does_not_come():
    one = Influence(3, "d", ("a", "b", "c", "d"), -1.0, (0.0, 2.0, 1.0, 0.0), (0.0,) * 4)
    assert strongest(one) == ["b", "c"]
