"""``nextword filter`` on many machines: an actor for each core maps the model once and filters shard after shard."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nextword.api import load
from nextword.cluster.jobs import Stage, run
from nextword.cluster.session import LOCAL, session
from nextword.cluster.storage import absolute, check_nodes
from nextword.manifest import CONFIG
from nextword.tasks.filter.markers import FOLDER
from nextword.tasks.filter.run import RunReport, delete_leftovers, finish, locked, prepare
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
    shards = plan(inputs, out)
    jobs = [shard._replace(source=absolute(shard.source), out=absolute(out))._asdict() for shard in shards]
    main, other = absolute(model), None if contrast is None else absolute(contrast)
    with session(address) as cluster, locked(out):
        configs = [str(Path(one) / CONFIG) for one in (main, other) if one is not None]
        check_nodes(cluster.nodes, [*configs, *(job["source"] for job in jobs)], Path(absolute(out)))
        sampling: dict[str, Any] = {"sample": sample, "seed": seed, "cuts": cuts, "say": say}
        second = None if other is None else load(other)
        known, drawn = prepare(load(main), shards, settings, out=out, contrast=second, **sampling)
        made = {"model": main, "contrast": other, "settings": known.to_json()}
        stage = Stage("filtering", FilterShard, made, actors=True)
        found = run(cluster, stage, jobs, Path(absolute(out)) / FOLDER, say)
        delete_leftovers(Path(out))
        reports = [replace(ShardReport.from_json(one), shard=shard) for one, shard in zip(found, shards, strict=True)]
        return finish(out, known, reports, sample=drawn, seconds=time.perf_counter() - begin)
