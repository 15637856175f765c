"""Filtering in a process that stays: with nextword, or with KenLM's module where nextword is not installed."""

import json
import shutil
import threading
import time
from pathlib import Path
from typing import Any

from timing import Json, serve

_opened: dict[str, Any] = {}


class PeakAnonymous:
    """The most anonymous memory (RssAnon: heaps and stacks, not mapped files) of this process within a ``with``."""

    def __enter__(self) -> "PeakAnonymous":
        self.bytes, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.01):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("RssAnon:"):
                    self.bytes = max(self.bytes, int(line.split()[1]) * 1024)


def filter_with_nextword(model: str, source: str, out: str, threads: int, settings: Json) -> Json:
    """``filter_files`` into a folder made anew: all documents are kept unless the settings say otherwise."""
    from nextword.api import load
    from nextword.tasks.filter.run import filter_files
    from nextword.tasks.filter.settings import FilterSettings

    lm = _opened.setdefault(model, load(model))
    shutil.rmtree(out, ignore_errors=True)
    made = FilterSettings.from_json(FilterSettings().to_json() | settings)
    begin = time.perf_counter()
    with PeakAnonymous() as peak:
        report = filter_files(lm, [source], out, made, threads=threads)
    seconds = time.perf_counter() - begin
    counts = report.counts
    return {"seconds": seconds, "peak": peak.bytes, "documents": counts.documents, "tokens": counts.tokens}


def evaluate(model: str, text: str, threads: int) -> Json:
    """``lm.evaluate`` of the same texts as plain lines: the scoring alone."""
    from nextword.api import load
    from nextword.text.corpus import Corpus

    lm = _opened.setdefault(model, load(model))
    begin = time.perf_counter()
    found = lm.evaluate(Corpus(text), threads=threads)
    return {"seconds": time.perf_counter() - begin, "tokens": found.tokens}


def filter_with_kenlm(model: str, source: str, out: str) -> Json:
    """What cc_net, datatrove and NeMo-Curator do with each document, on one core: a score and a split for each line."""
    import kenlm

    lm = _opened.setdefault(model, kenlm.Model(model))
    begin, tokens = time.perf_counter(), 0
    with Path(source).open(encoding="utf-8") as read, Path(out).open("w", encoding="utf-8") as write:
        for record_line in read:
            record = json.loads(record_line)
            log10, length = 0.0, 0
            for line in record["text"].split("\n"):
                log10 += lm.score(line)
                length += len(line.split()) + 1
            record["perplexity"] = round(10.0 ** (-log10 / length), 1)
            write.write(json.dumps(record, ensure_ascii=False) + "\n")
            tokens += length
    return {"seconds": time.perf_counter() - begin, "tokens": tokens}


if __name__ == "__main__":
    serve({"filter": filter_with_nextword, "evaluate": evaluate, "kenlm": filter_with_kenlm})
