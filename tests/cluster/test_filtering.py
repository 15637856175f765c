"""``filter_on_cluster``: what it writes is what the local filter writes, even if a node dies in the middle."""

import hashlib
import json

import pytest

pytest.importorskip("ray")
pytest.importorskip("pyarrow")

from cluster.machines import Running, kill_at_work
from nextword.api import load, train
from nextword.tasks.filter.run import filter_files
from nextword.tasks.filter.settings import Cut, FilterSettings
from nextword.text.embedded import embedded_sentences

SHARDS = 24
PROGRAM = """
import json, sys
from nextword.cluster.filtering import filter_on_cluster
from nextword.errors import NextwordError
from nextword.tasks.filter.settings import Cut, FilterSettings
model, source, out, address = sys.argv[1:]
said = []
try:
    report = filter_on_cluster(model, [source], out, FilterSettings(cut=Cut()), address=address, say=said.append)
except NextwordError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(json.dumps({"said": said, "counts": report.counts.to_json(), "reused": report.reused}))
"""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A model, and shards enough to kill a node in between."""
    folder = tmp_path_factory.mktemp("filter")
    sentences = list(embedded_sentences())
    train_lm = train(_text(folder, sentences), order=2)
    train_lm.save(folder / "model")
    (folder / "in").mkdir()
    for shard in range(SHARDS):
        records = [json.dumps({"id": f"{shard}-{i}", "text": text}) for i, text in enumerate(sentences[shard::2])]
        (folder / "in" / f"s{shard:02}.jsonl").write_text("\n".join(records) + "\n", encoding="utf-8")
    report = filter_files(load(folder / "model"), [folder / "in"], folder / "local", FilterSettings(cut=Cut()))
    return folder, report


def _text(folder, sentences):
    (folder / "train.txt").write_text("\n".join(sentences) + "\n", encoding="utf-8")
    return folder / "train.txt"


def digests(out):
    """Hashes of what was written, markers apart."""
    files = sorted(file for file in out.rglob("*") if file.is_file() and ".nextword" not in file.parts)
    return {str(file.relative_to(out)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_a_node_that_dies_loses_nothing_and_doubles_nothing(machines, corpus, tmp_path):
    folder, report = corpus
    node, out = machines.add(), tmp_path / "out"
    running = Running(["-c", PROGRAM, folder / "model", folder / "in", out, machines.address])
    names = sorted(file.name for file in (folder / "in").iterdir())

    def done(job):
        return (out / ".nextword" / f"{names[int(job.split('-')[-1])]}.json").exists()

    kill_at_work(machines, node, running, out / ".nextword", done)
    left = sum(not (out / ".nextword" / f"{name}.json").exists() for name in names)
    status, printed, error = running.result()
    assert (status, error) == (0, "")
    found = json.loads(printed)
    assert left >= 1
    assert f"filtering: {SHARDS} of {SHARDS}, 1 of 2 nodes lost, 1 begun again" in found["said"]
    assert digests(out) == digests(folder / "local")
    for name in ("documents", "kept", "tokens", "buckets", "histogram", "source_bytes"):
        assert found["counts"][name] == report.counts.to_json()[name], name
    assert not list((out / ".nextword").glob("attempts-*"))
