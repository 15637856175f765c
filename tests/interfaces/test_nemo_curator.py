"""The filter as NeMo-Curator's own stage runs it."""

import math
import pickle

import pytest

from tasks.filter.small import TEXTS, model

pytest.importorskip("nemo_curator")
pandas = pytest.importorskip("pandas")

from nemo_curator.stages.text.filters import DocumentFilter, ScoreFilter  # noqa: E402
from nemo_curator.tasks import DocumentBatch  # noqa: E402

from nextword.interfaces.nemo_curator import PerplexityFilter  # noqa: E402


@pytest.mark.parametrize("join_lines", [False, True])
def test_score_filter(tmp_path, join_lines):
    lm = model()
    lm.save(tmp_path / "m")
    made = PerplexityFilter(tmp_path / "m", min_perplexity=2, max_perplexity=12, join_lines=join_lines)
    assert isinstance(made, DocumentFilter)
    stage = pickle.loads(pickle.dumps(ScoreFilter(made, text_field="text", score_field="perplexity")))
    assert stage.name == "nextword_perplexity"
    assert stage.ray_stage_spec() == {"is_actor_stage": True}
    stage.setup()
    texts = [text.replace("<s>", "zz").replace("</s>", "zz") for text in TEXTS]
    batch = DocumentBatch(dataset_name="d", data=pandas.DataFrame({"text": texts}))
    found = stage.process(batch).to_pandas()
    read = [text.replace("\n", " ") if join_lines else text for text in texts]
    expected = [lm.perplexity(text + "\n") if text else math.nan for text in read]
    kept = [i for i, perplexity in enumerate(expected) if 2 <= perplexity <= 12]
    assert 0 < len(kept) < len(texts)
    assert found["text"].tolist() == [texts[i] for i in kept]
    assert found["perplexity"].tolist() == pytest.approx([expected[i] for i in kept], abs=1e-4)
