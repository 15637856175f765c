"""``nextword filter`` on many machines: an actor for each core maps the model once and filters shard after shard."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from nextword.api import load
from nextword.cluster.jobs import Stage, run
from nextword.cluster.session import LOCAL, session
from nextword.cluster.storage import check_nodes
from nextword.tasks.filter.markers import FOLDER
from nextword.tasks.filter.run import RunReport, finish, locked, prepare
from nextword.tasks.filter.settings import FilterSettings
from nextword.tasks.filter.shards import Shard, ShardReport, filter_shard, plan
from nextword.types import Json


class FilterShard:
    """Filters shards with a model that is opened once; see ``nextword.tasks.filter.shards.filter_shard``."""

    def __init__(self, model: str, contrast: str | None, settings: Json):
        self._lm = load(model)
        self._contrast = None if contrast is None else load(contrast)
        self._settings = FilterSettings.from_json(settings)

    def __call__(self, job: Json) -> Json:
        """The report of the shard that is ``job``."""
        return filter_shard(self._lm, Shard(**job), self._settings, contrast=self._contrast).to_json()


def filter_on_cluster(
    model: str | Path,
    inputs: Sequence[str | Path],
    out: str | Path,
    settings: FilterSettings,
    *,
    address: str = LOCAL,
    contrast: str | Path | None = None,
    sample: int = 10_000,
    seed: int = 0,
    cuts: str | Path | None = None,
    say: Callable[[str], None] = lambda stage: None,
) -> RunReport:
    """As ``filter_files``, with the shards spread over the cores of a Ray cluster; the same files come out.

    model, contrast: model directories. These, the inputs and ``out`` must be at the same paths on every node, which is
    looked at first. The cut points are found on this machine. A shard whose node dies is filtered again on another.
    Errors are those of ``filter_files``, and ClusterError.
    """
    begin = time.perf_counter()
    models = [None if one is None else str(Path(one).resolve()) for one in (model, contrast)]
    out = Path(out).resolve()
    shards = plan([Path(one).resolve() for one in inputs], out)
    with session(address) as cluster, locked(out):
        seen = [str(Path(one) / "config.json") for one in models if one is not None]
        check_nodes(cluster.nodes, [*seen, *(shard.source for shard in shards)], out)
        lm, other = (None if one is None else load(one) for one in models)
        assert lm is not None
        known, drawn = prepare(
            lm, shards, settings, out=out, contrast=other, sample=sample, seed=seed, cuts=cuts, say=say
        )
        made = {"model": models[0], "contrast": models[1], "settings": known.to_json()}
        stage = Stage("filtering", FilterShard, made, actors=True)
        reports = run(cluster, stage, [shard._asdict() for shard in shards], out / FOLDER, say)
        whole = [ShardReport.from_json(report) for report in reports]
        return finish(out, known, whole, sample=drawn, seconds=time.perf_counter() - begin)
