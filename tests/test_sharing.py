"""Processes that open the same model share its memory: it is the files' own pages, never written and never copied."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import nextword
from nextword.text.corpus import Corpus
from nextword.text.synthetic import MarkovSource

pytestmark = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="only Linux tells whose pages they are")
PROCESS = """
import json, re, sys
import nextword
lm = nextword.load(sys.argv[1])
lm.score_lines(open(sys.argv[2], "rb").read())
arrays = {**lm.model.arrays(), **lm.model.vocabulary.arrays()}
places = {name: [array.ctypes.data, array.nbytes] for name, array in arrays.items() if array.nbytes}
print("ready", flush=True)
sys.stdin.readline()
mappings = []
for line in open("/proc/self/smaps"):
    if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) (\\S+) \\S+ \\S+ \\S+\\s*(.*)", line):
        begin, end, rights, path = head.groups()
        mappings.append({"begin": int(begin, 16), "end": int(end, 16), "rights": rights, "path": path})
    elif figure := re.match(r"(\\w+):\\s+(\\d+) kB", line):
        mappings[-1][figure[1]] = int(figure[2])
mine = [one for one in mappings if one["path"].startswith(sys.argv[1])]
print(json.dumps({"places": places, "mappings": mine}), flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sharing")
    source = MarkovSource([f"w{i}" for i in range(500)], order=1, end=0.1, concentration=0.05, seed=0)
    lines = source.sample(5_000, seed=0)
    nextword.train(Corpus.from_lines(lines), order=4, smoothing="witten-bell").save(folder / "model")
    (folder / "text.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_processes_share_a_models_pages(saved):
    command = [sys.executable, "-c", PROCESS, str(saved / "model"), str(saved / "text.txt")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(2)]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 2
        found = [ask(process) for process in processes]
    finally:
        for process in processes:
            process.communicate("\n")
    for one in found:
        assert len(one["mappings"]) == 2  # the vocabulary and the weights
        for mapping in one["mappings"]:
            assert mapping["rights"].startswith("r--")
            assert mapping["Anonymous"] == mapping["Private_Dirty"] == 0
            assert mapping["Shared_Clean"] > mapping["Private_Clean"]
        for name, (begin, size) in one["places"].items():
            inside = any(each["begin"] <= begin and begin + size <= each["end"] for each in one["mappings"])
            assert inside, f"{name} is not in a file's pages but was copied"


def ask(process):
    """What a process says of its memory while all of them are there."""
    process.stdin.write("\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
