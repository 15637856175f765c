"""The filter in a real datatrove pipeline: read, filtered in two tasks, written."""

import gzip
import json
import pickle

import pytest

from nextword.tasks.filter.documents import Documents
from nextword.tasks.filter.measures import measure
from tasks.filter.small import OTHER, TEXTS, model, write_jsonl

pytest.importorskip("datatrove")
pytest.importorskip("orjson")

from datatrove.data import Document  # noqa: E402
from datatrove.executor import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402

from nextword.interfaces.datatrove import PerplexityFilter  # noqa: E402

READ = [text for text in TEXTS if text]  # datatrove's readers leave empty texts out


@pytest.fixture
def models(tmp_path):
    model().save(tmp_path / "m")
    model(OTHER).save(tmp_path / "other")
    return tmp_path


def lines(folder):
    """Records in all files of a folder, by text."""
    found = [
        json.loads(line) for file in folder.glob("*.gz") for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    return {record["text"]: record for record in found}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_local_pipeline(models):
    (models / "in").mkdir()
    write_jsonl(models / "in/a.jsonl", TEXTS[:4])
    write_jsonl(models / "in/b.jsonl", TEXTS[4:])
    figures = measure(model(), Documents.from_texts([text.encode() for text in READ])).perplexity.tolist()
    limit = sorted(figures)[3]
    steps = [
        JsonlReader(str(models / "in")),
        PerplexityFilter(models / "m", max_perplexity=limit, exclusion_writer=JsonlWriter(str(models / "dropped"))),
        JsonlWriter(str(models / "kept")),
    ]
    LocalPipelineExecutor(pipeline=steps, tasks=2, workers=1, logging_dir=str(models / "logs")).run()
    kept, dropped = lines(models / "kept"), lines(models / "dropped")
    for text, perplexity in zip(READ, figures, strict=True):
        here = kept if perplexity <= limit else dropped
        assert here[text]["metadata"]["perplexity"] == perplexity
    assert len(kept) == 4
    assert len(dropped) == len(READ) - 4
    assert {record["metadata"]["filter_reason"] for record in dropped.values()} == {"high_perplexity"}


def test_batches_contrast_and_columns(models):
    options = {"min_contrast": -1.0, "min_perplexity": 1.0, "prefix": "lm_", "join_lines": True}
    step = PerplexityFilter(models / "m", contrast=models / "other", **options)
    documents = [Document(text=text, id=str(i), metadata={"url": "u"}) for i, text in enumerate(TEXTS)]
    found = pickle.loads(pickle.dumps(step)).filter_batch(documents)
    joined = [text.replace("\n", " ").encode() for text in TEXTS]
    expected = measure(model(), Documents.from_texts(joined), model(OTHER))
    for i, document in enumerate(documents):
        kept = expected.tokens[i] > 0 and expected.contrast[i] >= -1
        assert found[i] == (True if kept else (False, "no_figure" if TEXTS[i] == "" else "low_contrast"))
        assert document.metadata["lm_tokens"] == expected.tokens[i]
        assert document.metadata["url"] == "u"
    assert documents[2].metadata["lm_perplexity"] is None
    assert False not in found
    assert (False, "no_figure") in found
    assert (False, "low_contrast") in found
    assert True in found


def test_one_document_as_in_a_batch(models):
    step = PerplexityFilter(str(models / "m"), max_perplexity=5.0)
    documents = [Document(text=text, id="0") for text in TEXTS]
    alone = [step.filter(Document(text=text, id="0")) for text in TEXTS]
    assert step.filter_batch(documents) == alone
