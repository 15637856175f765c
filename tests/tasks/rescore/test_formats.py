"""N-best lists: both forms in and out, and every line that cannot be read."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword.errors import TextError
from nextword.tasks.rescore.formats import read_nbest, write_nbest
from nextword.tasks.rescore.nbest import NBestLists

MOSES = """\
0 ||| the cat sat ||| AM: -12.5 LM: -4 ||| -16.5
0 ||| the cad sat ||| AM: -12.25 LM: -6 ||| -18.25
one ||| ||| AM: -1 LM: -2 ||| -3
"""
LISTS = [
    {"id": 7, "speaker": "x", "hypotheses": [{"text": "a b", "score": -1.5, "start": 0.2}, {"text": "a", "score": -2}]},
    {"id": "8", "hypotheses": [{"text": "", "score": 0}]},
]


def saved(tmp_path, text, name="list.nbest"):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_the_moses_form(tmp_path):
    found = read_nbest(saved(tmp_path, MOSES))
    assert (found.names, found.form, found.sizes) == (("AM", "LM"), "moses", [2, 1])
    assert [one.id for one in found] == ["0", "one"]
    assert [(one.text, one.scores) for one in found.hypotheses] == [
        ("the cat sat", (-12.5, -4.0)), ("the cad sat", (-12.25, -6.0)), ("", (-1.0, -2.0)),
    ]  # fmt: skip
    assert found.lists[1].where == f"{tmp_path}/list.nbest:3"


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        ("-1 -2.5", ("score1", "score2")),
        ("LM0= -1 TM0= -2 -3 -4", ("LM0", "TM0", "TM0[2]", "TM0[3]")),
        ("AM: -1 W:  2", ("AM", "W")),
        ("", ()),
    ],
)
def test_names_of_scores(tmp_path, scores, names):
    assert read_nbest(saved(tmp_path, f"1 ||| a ||| {scores}\n")).names == names


def test_a_list_in_json_lines_of_each_kind(tmp_path):
    found = read_nbest(saved(tmp_path, "".join(json.dumps(one) + "\n" for one in LISTS), "list.jsonl"))
    assert (found.names, found.form, found.sizes, [one.id for one in found]) == (
        ("score",), "json-lists", [2, 1], ["7", "8"],
    )  # fmt: skip
    lines = [
        {"id": 1, "text": "a", "scores": {"am": -1, "tm": 2}},
        {"id": 1, "text": "b", "scores": {"am": -2, "tm": 1}},
    ]
    found = read_nbest(saved(tmp_path, "\n".join(map(json.dumps, lines)), "flat.jsonl"))
    assert (found.names, found.form, found.sizes) == (("am", "tm"), "json-lines", [2])
    assert found.hypotheses[1].scores == (-2.0, 1.0)


def rewritten(tmp_path, lists, order, name):
    scores = [-float(i) for i in range(sum(lists.sizes))]
    lines = write_nbest(lists, order, scores, [2 * score for score in scores], name=name)
    return list(lines)


def test_moses_lists_are_written_with_the_new_score_in_the_style_of_the_others(tmp_path):
    lists = read_nbest(saved(tmp_path, MOSES))
    assert rewritten(tmp_path, lists, [[1, 0], [0]], "LM2") == [
        "0 ||| the cad sat ||| AM: -12.25 LM: -6 LM2: -1.000000 ||| -2.000000",
        "0 ||| the cat sat ||| AM: -12.5 LM: -4 LM2: -0.000000 ||| -0.000000",
        "one |||  ||| AM: -1 LM: -2 LM2: -2.000000 ||| -4.000000",
    ]
    unnamed = read_nbest(saved(tmp_path, "1 ||| a ||| -1\n"))
    assert rewritten(tmp_path, unnamed, [[0]], "LM") == ["1 ||| a ||| -1 -0.000000 ||| -0.000000"]


def test_json_lists_keep_every_field_and_can_be_rescored_again(tmp_path):
    lists = read_nbest(saved(tmp_path, "".join(json.dumps(one) + "\n" for one in LISTS), "list.jsonl"))
    lines = rewritten(tmp_path, lists, [[1, 0], [0]], "LM")
    first = json.loads(lines[0])
    assert {"id": 7, "speaker": "x"}.items() <= first.items()
    assert first["hypotheses"][1] == {"text": "a b", "score": -1.5, "start": 0.2, "scores": {"LM": 0.0}, "total": 0.0}
    again = read_nbest(saved(tmp_path, "\n".join(lines), "again.jsonl"))
    assert again.names == ("score", "LM")
    assert json.loads(rewritten(tmp_path, again, [[0, 1], [0]], "LM2")[0])["hypotheses"][0]["scores"] == {
        "LM": -1.0, "LM2": 0.0,
    }  # fmt: skip


WORDS = st.text(alphabet="abé '.", max_size=12).map(str.strip)


@given(st.lists(st.lists(st.tuples(WORDS, st.floats(-100, 100)), min_size=1, max_size=4), min_size=1, max_size=4))
def test_nothing_is_lost_between_writing_and_reading(tmp_path_factory, drawn):
    lists = NBestLists.make([(str(i), [(text, [score]) for text, score in one]) for i, one in enumerate(drawn)], ["am"])
    order = [list(range(len(one)))[::-1] for one in drawn]
    folder = tmp_path_factory.mktemp("lists")
    found = read_nbest(saved(folder, "\n".join(write_nbest(lists, order, [0.5] * 16, [1.5] * 16, name="LM")) + "\n"))
    expected = [[(text, (score, 0.5)) for text, score in one[::-1]] for one in drawn]
    assert [[(one.text, one.scores) for one in nbest.hypotheses] for nbest in found] == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "1 ||| a ||| -1\n1 ||| b\n",
            "F:2: a line of 2 parts; expected E, with a ||| total at the end",
        ),
        ("\n", "F:1: a line of 1 part; expected E, with a ||| total at the end"),
        (" ||| a ||| -1\n", "F:1: a line without an id; expected E, with a ||| total at the end"),
        ("1 ||| a ||| x\n", "F:1: a score is 'x', which is no number; expected E"),
        ("1 ||| a ||| LM: x\n", "F:1: the score LM is 'x', which is no number; expected E"),
        ("1 ||| a ||| -1 ||| x\n", "F:1: the total is 'x', which is no number; expected E"),
        ("1 ||| a ||| nan\n", "F:1: a score is not finite; give a large negative number for log 0"),
        ("1 ||| a ||| A: 1 A: 2\n", "F:1: the score A is given twice; give each score a name of its own"),
        (
            "1 ||| a ||| -1 -2\n1 ||| b ||| -1\n",
            "F:2: has the scores score1 (1), and the first hypothesis has score1, score2 (2); give all hypotheses the "
            "same scores",
        ),
        (
            "1 ||| a ||| -1\n2 ||| b ||| -1\n1 ||| c ||| -1\n",
            "F:3: the id '1' came before, at F:1, and another in between; let a list's hypotheses stand together",
        ),
        ("", "F: the file is empty; give n-best lists, E on each line"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, text, message):
    path = saved(tmp_path, text)
    with pytest.raises(TextError) as caught:
        read_nbest(path)
    assert str(caught.value) == message.replace("F:", f"{path}:").replace(" E", " id ||| text ||| scores")


EXAMPLE = 'for example {"id": "1", "hypotheses": [{"text": "a b", "score": -1.5}]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", f"F:1: the record is no object; give one object a line, {EXAMPLE}"),
        ('{"text": "a"}', f"F:1: the record has no id, a string or a whole number; give one, {EXAMPLE}"),
        ('{"id": 1, "hypotheses": []}', f"F:1: the list '1' has no hypotheses; give at least one, {EXAMPLE}"),
        ('{"id": 1, "score": 2}', f"F:1: a hypothesis of '1' has no text; expected an object, {EXAMPLE}"),
        ('{"id": 1, "text": "a", "score": "2"}', f"F:1: a score of '1' is no number; expected a number, {EXAMPLE}"),
        ('{"id": 1, "text": "a\\nb"}', "F:1: a hypothesis of '1' has several lines: 'a\\nb'; give one line of text"),
        (
            '{"id": 1, "hypotheses": [{"text": "a"}]}\n{"id": 1, "hypotheses": [{"text": "b"}]}',
            "F:2: this list has the id of the one before; give each list an id of its own",
        ),
    ],
)
def test_a_malformed_record_is_named(tmp_path, text, message):
    path = saved(tmp_path, text, "list.jsonl")
    with pytest.raises(TextError) as caught:
        read_nbest(path)
    assert str(caught.value) == message.replace("F:", f"{path}:")


def test_what_is_no_file_and_no_json(tmp_path):
    with pytest.raises(TextError, match="nope: there is no such file; check the path"):
        read_nbest("nope")
    with pytest.raises(TextError, match=r"list.jsonl:1: not valid JSON \("):
        read_nbest(saved(tmp_path, "{", "list.jsonl"))
