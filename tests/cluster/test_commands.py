"""``--ray`` on the command line: its address can be left out, and a mistake in a record is one line."""

import json

import pytest

from nextword.interfaces.cli import _give_address, run


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["count", "a.txt", "--ray"], ["count", "a.txt", "--ray", "local"]),
        (["count", "--ray", "a.txt"], ["count", "--ray", "local", "a.txt"]),
        (["count", "--ray", "--quiet"], ["count", "--ray", "local", "--quiet"]),
        (["count", "--ray", "auto", "a.txt"], ["count", "--ray", "auto", "a.txt"]),
        (["count", "--ray", "10.0.0.1:6379"], ["count", "--ray", "10.0.0.1:6379"]),
        (["count", "--ray", "ray://head:10001"], ["count", "--ray", "ray://head:10001"]),
        (["count", "--ray=head:6379", "a.txt"], ["count", "--ray=head:6379", "a.txt"]),
        ([], []),
    ],
)
def test_an_address_is_told_from_a_file(given, meant):
    assert _give_address(given, "--ray") == meant


@pytest.mark.parametrize(
    ("command", "option"),
    [("count", "--resume"), ("count", "--temp=t"), ("count", "--threads=2"), ("filter", "--threads=2")],
)
def test_options_that_ray_would_ignore_are_refused(command, option, tmp_path, capsys):
    text = tmp_path / "t.jsonl"
    text.write_text('{"text": "a"}\n')
    arguments = [*(["model"] if command == "filter" else []), str(text), "--out", str(tmp_path / "out"), "--ray"]
    assert run([command, *arguments, option]) == 2
    name = option.partition("=")[0]
    assert capsys.readouterr().err == (
        f"nextword: {name} has no effect with --ray, which goes on by itself and uses the cluster's cores\n"
    )


def test_a_cluster_of_this_machine_alone(tmp_path):
    """It comes and goes with the command, which tells of a wrong record as it does without a cluster."""
    pytest.importorskip("ray")
    pytest.importorskip("pyarrow")
    from cluster.machines import Running
    from nextword.api import train

    folder = tmp_path / "in"
    folder.mkdir()
    good = json.dumps({"text": "students opened their books"}) + "\n"
    for name, records in (("a", good), ("b", good + '{"id": 2}\n')):
        (folder / f"{name}.jsonl").write_text(records)
    (tmp_path / "t.txt").write_text("students opened their books\n")
    train(tmp_path / "t.txt", order=2, smoothing="witten-bell").save(tmp_path / "model")
    program = "import sys; from nextword.interfaces.cli import main; main(sys.argv[1:])"
    command = ["-c", program, "filter", tmp_path / "model", folder, "--out", tmp_path / "out", "--ray"]
    status, out, error = Running(command).result()
    assert (status, out) == (1, "")
    assert error == f"nextword: {folder / 'b.jsonl'}:2: the record has no field 'text'; name one that it has: 'id'\n"
    assert not (tmp_path / "out" / "b.jsonl").exists()
