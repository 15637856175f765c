"""Trees drawn in characters and as SVG."""

from xml.etree import ElementTree

import pytest
from hypothesis import given

from nextword.errors import TextError
from nextword.tasks.parse.draw import ascii_tree, page, svg_tree
from nextword.text.conllu import Sentence
from parse_trees import SAW, sentence, trees

SVG = "{http://www.w3.org/2000/svg}"
FILM = sentence("the/2/det cat/3/nsubj sat/0/root on/6/case the/6/det mat/3/obl ./3/punct")


def test_a_tree_in_characters():
    assert (
        ascii_tree(FILM)
        == """\
    +-- the (det)
+-- cat (nsubj)
sat (root)
|   +-- on (case)
|   +-- the (det)
+-- mat (obl)
+-- . (punct)"""
    )


def test_a_crossing_arc_is_drawn_higher_up_and_names_its_head():
    assert (
        ascii_tree(sentence("a/0/root b/4/dep c/1/dep d/1/obj"))
        == """\
a (root)
+-- b (dep of d, 4)
+-- c (dep)
+-- d (obj)"""
    )


@given(trees())
def test_every_word_has_a_line_and_nothing_is_drawn_over(heads):
    words = [f"w{i}" for i in range(len(heads))]
    lines = ascii_tree(Sentence.of(words).replaced(heads=heads, deprels=["r"] * len(heads))).split("\n")
    assert [line.lstrip(" |").removeprefix("+-- ").split(" ")[0] for line in lines] == words
    assert all(set(line.partition("w")[0]) <= set(" |+-") for line in lines)
    # bars and branches are unbroken: below or above a branch there is the head's word, a bar or another branch
    for i, line in enumerate(lines):
        at = line.find("+")
        if at >= 0:
            beside = [lines[j][at : at + 1] for j in (i - 1, i + 1) if 0 <= j < len(lines)]
            assert any(mark in ("|", "+", "w") for mark in beside)


def test_a_picture_has_words_labels_and_arcs():
    root = ElementTree.fromstring(svg_tree(SAW))
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts == ["subj", "I", "root", "saw", "obj", "him"]
    lines = [path for path in root.iter(f"{SVG}path") if path.get("stroke")]
    assert len(lines) == 3
    assert root.find(f"{SVG}title").text == "I saw him"


def places(text):
    """x of each word, and for each label its x and y."""
    nodes = [
        (node.text, float(node.get("x")), float(node.get("y")))
        for node in ElementTree.fromstring(text).iter(f"{SVG}text")
    ]
    return nodes[1::2], nodes[0::2]


@given(trees())
def test_arcs_stand_above_what_they_span(heads):
    words, labels = places(
        svg_tree(Sentence.of("abcdefghi"[: len(heads)]).replaced(heads=heads, deprels=["r"] * len(heads)))
    )
    assert [x for _, x, _ in words] == sorted({x for _, x, _ in words})
    for i, head in enumerate(heads):
        assert labels[i][2] < words[i][2]
        for j, other in enumerate(heads):
            inside = min(i + 1, head) <= min(j + 1, other) and max(j + 1, other) <= max(i + 1, head)
            if head and other and i != j and inside:
                assert labels[i][2] < labels[j][2]


def test_what_xml_cannot_hold_is_escaped():
    drawn = svg_tree(sentence("<b>/2/a&b x\x00y/0/root").replaced(deprels=["a&b", "root"]))
    texts = [text.text for text in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert texts == ["a&b", "<b>", "root", "x�y"]


def test_a_page_holds_all_pictures():
    lines = list(page([SAW, FILM]))
    assert "".join(lines).count("<svg") == 2
    assert lines[0].startswith("<!doctype html>")


@pytest.mark.parametrize("draw", [ascii_tree, svg_tree])
def test_what_is_no_tree_is_refused(draw):
    with pytest.raises(TextError, match=r"^<memory>:1: the heads go in a circle"):
        draw(sentence("a/2/dep b/1/dep c/0/root"))
