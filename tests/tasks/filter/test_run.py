"""Whole runs: what is written, that a run goes on where another ended, and what is refused."""

import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import zstandard

import nextword
from nextword.errors import StoreError, TextError, UsageError
from nextword.tasks.filter.documents import Documents
from nextword.tasks.filter.measures import measure
from nextword.tasks.filter.report import MOST_LISTED, Counts
from nextword.tasks.filter.run import filter_files, prepare
from nextword.tasks.filter.settings import Cut, FilterSettings, Limit
from nextword.tasks.filter.shards import Shard, ShardReport, filter_shard, plan
from tasks.filter.small import OTHER, TEXTS, model, write_jsonl

LM = model()


def written(out):
    """All files of an output but markers and ``filter.json``, by name, and their bytes."""
    files = [file for file in out.rglob("*") if file.is_file() and ".nextword" not in file.parts]
    return {f.relative_to(out).as_posix(): f.read_bytes() for f in files if f.name != "filter.json"}


def expected_lines(lines, texts, extra=""):
    """Records with the columns added, as Python would write them by hand."""
    found = measure(LM, Documents.from_texts([text.encode() for text in texts]))
    for i, line in enumerate(lines):
        perplexity, bits = (
            "null" if np.isnan(value) else repr(float(value)) for value in (found.perplexity[i], found.bits_per_byte[i])
        )
        new = f',"perplexity":{perplexity},"bits_per_byte":{bits},"tokens":{found.tokens[i]},"oov":{found.oov[i]}'
        yield line[:-1] + new + extra + "}\n"


def test_scores_are_added_and_order_and_names_stay(tmp_path):
    lines = write_jsonl(tmp_path / "in.jsonl", ensure_ascii=False)
    report = filter_files(LM, [tmp_path / "in.jsonl"], tmp_path / "out", FilterSettings())
    assert written(tmp_path / "out") == {"in.jsonl": "".join(expected_lines(lines, TEXTS)).encode()}
    counts = report.counts
    assert (counts.documents, counts.kept, counts.empty, counts.skipped_count) == (8, 8, 1, 0)
    assert counts.source_bytes == (tmp_path / "in.jsonl").stat().st_size
    assert json.loads(json.dumps(report.to_json()))["documents"] == 8


def test_shards_of_every_compression(tmp_path):
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    lines = write_jsonl(folder / "a.jsonl")
    data = (folder / "a.jsonl").read_bytes()
    (folder / "sub/b.jsonl.gz").write_bytes(gzip.compress(data[:100]) + gzip.compress(data[100:]))
    (folder / "c.jsonl.zst").write_bytes(zstandard.compress(data))
    (folder / "notes.txt").write_text("no shard")
    filter_files(LM, [folder], tmp_path / "out", FilterSettings(), threads=2)
    found, plain = written(tmp_path / "out"), "".join(expected_lines(lines, TEXTS)).encode()
    assert sorted(found) == ["a.jsonl", "c.jsonl.zst", "sub/b.jsonl.gz"]
    assert found["a.jsonl"] == gzip.decompress(found["sub/b.jsonl.gz"]) == plain
    assert zstandard.ZstdDecompressor().decompressobj().decompress(found["c.jsonl.zst"]) == plain


def test_bytes_do_not_depend_on_threads(tmp_path, monkeypatch):
    monkeypatch.setattr("nextword.tasks.filter.jsonl.BLOCK_SIZE", 200)
    write_jsonl(tmp_path / "in.jsonl", TEXTS * 20)
    data = (tmp_path / "in.jsonl").read_bytes()
    (tmp_path / "in.jsonl.gz").write_bytes(gzip.compress(data))
    inputs, settings = [tmp_path / "in.jsonl", tmp_path / "in.jsonl.gz"], FilterSettings(cut=Cut())
    for threads in (1, 2, 3):
        filter_files(LM, inputs, tmp_path / str(threads), settings, threads=threads)
    found = [written(tmp_path / str(threads)) for threads in (1, 2, 3)]
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 6


def test_limits_buckets_and_a_bucket_column(tmp_path):
    lines = write_jsonl(tmp_path / "in.jsonl")
    values = measure(LM, Documents.from_texts([text.encode() for text in TEXTS])).perplexity
    whole = list(expected_lines(lines, TEXTS))
    limit = float(np.nanmedian(values))
    run = lambda name, **settings: filter_files(  # noqa: E731
        LM, [tmp_path / "in.jsonl"], tmp_path / name, FilterSettings(**settings)
    )
    kept = run("limit", limits=(Limit("perplexity", None, limit),))
    below = "".join(line for line, value in zip(whole, values, strict=True) if value <= limit)
    assert written(tmp_path / "limit") == {"in.jsonl": below.encode()}
    assert kept.counts.kept == (values <= limit).sum()

    points = np.percentile(values[~np.isnan(values)], [30, 60])
    bucket = [0 if v < points[0] else 1 if v < points[1] else 2 for v in values]  # a NaN is below nothing: tail
    folders = run("folders", cut=Cut())
    names = ["head", "middle", "tail"]
    assert written(tmp_path / "folders") == {
        f"{name}/in.jsonl": "".join(line for line, b in zip(whole, bucket, strict=True) if b == i).encode()
        for i, name in enumerate(names)
    }
    assert folders.counts.buckets == {name: bucket.count(i) for i, name in enumerate(names)}
    stored = json.loads((tmp_path / "folders/filter.json").read_text())
    assert stored["points"] == pytest.approx(points.tolist())

    run("column", cut=Cut(use="column"))
    (only,) = written(tmp_path / "column").values()
    assert [json.loads(line)["bucket"] for line in only.splitlines()] == [names[b] for b in bucket]
    run("keep", cut=Cut(percentiles=(30,), use="keep"))
    assert written(tmp_path / "keep")["in.jsonl"] == written(tmp_path / "folders")["head/in.jsonl"]


def test_cut_points_of_another_run(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    write_jsonl(tmp_path / "b.jsonl", ["students opened their books"] * 3)
    first = filter_files(LM, [tmp_path / "a.jsonl"], tmp_path / "a", FilterSettings(cut=Cut()))
    cuts = tmp_path / "a/filter.json"
    second = filter_files(LM, [tmp_path / "b.jsonl"], tmp_path / "b", FilterSettings(cut=Cut()), cuts=cuts)
    assert second.settings.cut.points == first.settings.cut.points
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "b.jsonl"], tmp_path / "c", FilterSettings(cut=Cut(percentiles=(50,))), cuts=cuts)
    assert str(caught.value) == (
        f"{cuts}: its points are of perplexity at the percentiles 30,60, "
        "and here the cut is at perplexity at the percentiles 50"
    )
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "b.jsonl"], tmp_path / "c", FilterSettings(), cuts=cuts)
    assert str(caught.value) == f"{cuts}: nothing is cut here; give --buckets or --keep-percentile too"
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "b.jsonl"], tmp_path / "c", FilterSettings(cut=Cut()), cuts=tmp_path / "b.jsonl")
    assert str(caught.value) == (
        f"{tmp_path}/b.jsonl: holds no cut points; give the filter.json of a run with --buckets or --keep-percentile"
    )


def test_contrast(tmp_path):
    write_jsonl(tmp_path / "in.jsonl")
    settings = FilterSettings(contrast=True, limits=(Limit("contrast", None, 0.0),))
    other = model(OTHER)
    filter_files(LM, [tmp_path / "in.jsonl"], tmp_path / "out", settings, contrast=other)
    found = measure(LM, Documents.from_texts([text.encode() for text in TEXTS]), other).contrast
    kept = [json.loads(line) for line in (tmp_path / "out/in.jsonl").read_text().splitlines()]
    assert [record["id"] for record in kept] == np.flatnonzero(found <= 0).tolist()
    assert [record["contrast"] for record in kept] == found[found <= 0].tolist()
    with pytest.raises(UsageError, match="whether a second model is given"):
        filter_files(LM, [tmp_path / "in.jsonl"], tmp_path / "no", FilterSettings(), contrast=other)


def test_a_run_goes_on(tmp_path):
    """A shard that was done is left alone; one that is missing, or whose files have changed, is done, and said so."""
    for name in "abcd":
        write_jsonl(tmp_path / f"{name}.jsonl", [f"students opened {name}", "they read"])
    inputs, out = [tmp_path / f"{name}.jsonl" for name in "abcd"], tmp_path / "out"
    filter_files(LM, inputs[:3], out, FilterSettings())
    before = written(out)
    (out / "b.jsonl").unlink()
    (out / "c.jsonl").write_bytes(b"x" * len(before["c.jsonl"]))
    os.utime(out / "a.jsonl", ns=(1, 1))  # touched, but the same bytes
    report = filter_files(LM, inputs, out, FilterSettings())
    assert [shard.reused for shard in report.shards] == [True, False, False, False]
    assert [shard.redone for shard in report.shards] == [
        "", f"{out}/b.jsonl is missing", f"{out}/c.jsonl has changed since", "",
    ]  # fmt: skip
    assert {name: data for name, data in written(out).items() if name != "d.jsonl"} == before
    assert report.counts.documents == 8

    write_jsonl(inputs[0], ["they opened"])
    report = filter_files(LM, inputs, out, FilterSettings())
    assert [shard.redone for shard in report.shards] == [f"{inputs[0]} has changed since", "", "", ""]
    assert report.counts.documents == 7
    (out / ".nextword/d.jsonl.json").write_text("{")
    assert [shard.reused for shard in filter_files(LM, inputs, out, FilterSettings()).shards] == [True] * 3 + [False]


def test_a_marker_of_other_settings(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    (shard,) = plan([tmp_path / "a.jsonl"], tmp_path / "out")
    filter_shard(LM, shard, FilterSettings())
    again = filter_shard(LM, shard, FilterSettings(prefix="x_"))
    assert (again.reused, again.redone) == (False, "it was made with other settings or another model")
    assert filter_shard(model(), shard, FilterSettings(prefix="x_")).reused
    assert not filter_shard(model(OTHER), shard, FilterSettings(prefix="x_")).reused
    assert ShardReport.from_json(json.loads(json.dumps(again.to_json()))) == again


def test_an_output_of_other_settings_is_refused(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    filter_files(LM, [tmp_path / "a.jsonl"], tmp_path / "out", FilterSettings())
    before = written(tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "a.jsonl"], tmp_path / "out", FilterSettings(prefix="x_", on_error="skip"))
    assert str(caught.value) == (
        f"{tmp_path}/out: was filtered with other settings (prefix was , is x_; on_error was stop, is skip); "
        "choose another --out or empty it"
    )
    with pytest.raises(UsageError) as caught:
        filter_files(model(OTHER), [tmp_path / "a.jsonl"], tmp_path / "out", FilterSettings())
    assert str(caught.value) == (
        f"{tmp_path}/out: was filtered with other settings (the model was another); choose another --out or empty it"
    )
    (tmp_path / "out/filter.json").unlink()
    with pytest.raises(UsageError) as caught:
        filter_files(LM, [tmp_path / "a.jsonl"], tmp_path / "out", FilterSettings())
    assert str(caught.value) == (
        f"{tmp_path}/out: holds shards of an earlier run, but no filter.json; choose another --out or empty it"
    )
    assert written(tmp_path / "out") == before


@pytest.mark.skipif(os.name == "nt", reason="signals of Unix")
def test_a_killed_run_leaves_whole_shards_and_goes_on(tmp_path):
    """Killed amid the second shard: the first is there, the second is not, and the next run ends as any would."""
    inputs = [tmp_path / f"{i}.jsonl" for i in range(3)]
    for path in inputs:
        write_jsonl(path, TEXTS * 30)
    LM.save(tmp_path / "model")
    program = """
        import sys, time
        import nextword
        from nextword.tasks.filter import jsonl, run
        from nextword.tasks.filter.settings import Cut, FilterSettings
        jsonl.BLOCK_SIZE = 4096
        read = 0
        def advance(size):
            global read
            read += size
            if read > 25_000:
                print("now", flush=True)
                time.sleep(60)
        lm = nextword.load(sys.argv[1])
        run.filter_files(lm, sys.argv[3:], sys.argv[2], FilterSettings(cut=Cut()), advance=advance)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program), tmp_path / "model", tmp_path / "out", *inputs]
    assert inputs[0].stat().st_size < 25_000 < 2 * inputs[0].stat().st_size
    with subprocess.Popen(list(map(str, arguments)), stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"now\n"
        process.send_signal(signal.SIGKILL)
    lm, settings = nextword.load(tmp_path / "model"), FilterSettings(cut=Cut())
    partial = written(tmp_path / "out")
    whole = {name for name in partial if name.endswith(".jsonl")}
    assert whole == {"head/0.jsonl", "middle/0.jsonl", "tail/0.jsonl"}
    assert set(partial) - whole  # what was being written has a name of its own
    report = filter_files(lm, inputs, tmp_path / "out", settings)
    assert [shard.reused for shard in report.shards] == [True, False, False]
    filter_files(lm, inputs, tmp_path / "fresh", settings)
    assert written(tmp_path / "out") == written(tmp_path / "fresh")
    assert (tmp_path / "out/filter.json").read_bytes() == (tmp_path / "fresh/filter.json").read_bytes()


def test_a_bad_record_stops_the_run_and_finished_shards_stay(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"text": "they opened"}\n{"text": "they\n{"text": "it"}\n')
    inputs, out = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"], tmp_path / "out"
    with pytest.raises(TextError) as caught:
        filter_files(LM, inputs, out, FilterSettings())
    assert str(caught.value) == (
        f"{tmp_path}/b.jsonl:2: not valid JSON (Unterminated string starting at, column 10); "
        """give one object a line, such as {"text": "students opened their books"}"""
    )
    assert list(written(out)) == ["a.jsonl"]
    (tmp_path / "b.jsonl").write_text('{"text": "they opened"}\n{"text": "it"}\n')
    assert [shard.reused for shard in filter_files(LM, inputs, out, FilterSettings()).shards] == [True, False]


def test_bad_records_are_skipped_counted_and_listed(tmp_path):
    lines = ['{"text": "they opened"}', '{"text": 1}', "{", '{"text": "it"}', '{"body": "a\\tb"}']
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    report = filter_files(LM, [tmp_path / "b.jsonl"], tmp_path / "out", FilterSettings(on_error="skip"))
    assert (report.counts.documents, report.counts.skipped_count) == (2, 3)
    found = written(tmp_path / "out")
    assert [json.loads(line)["text"] for line in found["b.jsonl"].splitlines()] == ["they opened", "it"]
    rows = [row.split("\t") for row in found["skipped.tsv"].decode().splitlines()]
    assert [row[:2] for row in rows] == [["file", "record"]] + [[f"{tmp_path}/b.jsonl", n] for n in "235"]
    assert rows[1][2].startswith("the field 'text' is a number; expected a string")
    assert rows[3][2] == "the record has no field 'text'; name one that it has: 'body'"


def test_a_list_of_skipped_records_has_an_end(tmp_path):
    counts = Counts()
    counts.skip([(i, "bad") for i in range(MOST_LISTED + 5)])
    assert (counts.skipped_count, len(counts.skipped)) == (MOST_LISTED + 5, MOST_LISTED)


@pytest.mark.parametrize("threads", [1, 3])
def test_a_damaged_gzip_file(tmp_path, monkeypatch, threads):
    """Two members, the second damaged: it stops there, or the rest is lost and said to be."""
    monkeypatch.setattr("nextword.tasks.filter.jsonl.BLOCK_SIZE", 300)
    lines = write_jsonl(tmp_path / "a.jsonl", TEXTS * 4)
    data = (tmp_path / "a.jsonl").read_bytes()
    half = len("".join(line + "\n" for line in lines[:16]).encode())
    second = bytearray(gzip.compress(data[half:]))
    second[40] ^= 0xFF
    path = tmp_path / "b.jsonl.gz"
    path.write_bytes(gzip.compress(data[:half]) + second)
    with pytest.raises(TextError) as caught:
        filter_files(LM, [path], tmp_path / "stop", FilterSettings(), threads=threads)
    message = re.fullmatch(
        rf"{re.escape(str(path))}:(\d+): the gzip data after here are damaged \(.*\); "
        "copy the file again, and test it with gzip -t",
        str(caught.value),
    )
    assert message
    assert int(message[1]) >= 17
    assert written(tmp_path / "stop") == {}
    report = filter_files(LM, [path], tmp_path / "skip", FilterSettings(on_error="skip"), threads=threads)
    kept = gzip.decompress(written(tmp_path / "skip")["b.jsonl.gz"]).splitlines()
    assert 16 <= len(kept) == report.counts.documents < 32
    assert report.counts.skipped_count == 1
    ((record, reason),) = report.shards[0].counts.skipped
    assert record == len(kept) + 1
    assert reason.endswith("test it with gzip -t; the rest of the file is lost")
    assert filter_files(LM, [path], tmp_path / "skip", FilterSettings(on_error="skip")).reused == 1


def test_a_file_cut_short(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    path = tmp_path / "b.jsonl.gz"
    path.write_bytes(gzip.compress((tmp_path / "a.jsonl").read_bytes())[:-30])
    with pytest.raises(TextError, match=r"b\.jsonl\.gz:\d+: the gzip data end too early; copy the file again"):
        filter_files(LM, [path], tmp_path / "out", FilterSettings())


def test_inputs_that_are_refused(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    (tmp_path / "x").mkdir()
    shutil.copy(tmp_path / "a.jsonl", tmp_path / "x/a.jsonl")
    (tmp_path / "t.txt").write_text("text\n")
    out = tmp_path / "out"
    cases = {
        (tmp_path / "no.jsonl",): f"{tmp_path}/no.jsonl: there is no such file; check the path",
        (tmp_path / "t.txt",): (
            f"{tmp_path}/t.txt: expected a name that ends in .jsonl, .jsonl.gz, .jsonl.zst, .json.gz or .parquet"
        ),
        (out / "..", tmp_path / "x"): (
            f"{out}/../a.jsonl and {tmp_path}/x/a.jsonl would both be written to a.jsonl; "
            "give the folder that holds both, or filter them into different outputs"
        ),
        (): "no text was given; name at least one .jsonl or .parquet file, or a folder of them",
    }
    out.mkdir()
    for inputs, message in cases.items():
        with pytest.raises((TextError, UsageError)) as caught:
            plan(inputs, out)
        assert str(caught.value) == message
    with pytest.raises(UsageError) as caught:
        plan([tmp_path / "a.jsonl"], tmp_path)
    assert str(caught.value) == (f"{tmp_path}/a.jsonl would be overwritten by what is kept of it; give another --out")
    with pytest.raises(StoreError, match=r"t\.txt: is a file, expected a directory; choose another name"):
        filter_files(LM, [tmp_path / "a.jsonl"], tmp_path / "t.txt", FilterSettings())
    assert plan([tmp_path / "x"], out) == [Shard(str(tmp_path / "x/a.jsonl"), str(out), "a.jsonl")]


def test_a_shard_without_points_is_refused(tmp_path):
    write_jsonl(tmp_path / "a.jsonl")
    (shard,) = plan([tmp_path / "a.jsonl"], tmp_path / "out")
    with pytest.raises(UsageError) as caught:
        filter_shard(LM, shard, FilterSettings(cut=Cut()))
    assert str(caught.value) == "the cut's points are not known yet; prepare the settings first"
    settings, drawn = prepare(LM, [shard], FilterSettings(cut=Cut()), out=tmp_path / "out")
    assert drawn == 7
    assert filter_shard(LM, shard, settings).counts.documents == 8


def test_quantiles_of_a_report():
    """Right to about 1 %, from a histogram, and the same whether it was summed or counted at once."""
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(5, 1, 5000))
    from nextword.tasks.filter.measures import Measures

    def counts(some):
        ones = np.ones(len(some), dtype=int)
        found = Counts()
        found.count(Measures(some, some, ones, ones, ones), ones == 1, ones * 0, ())
        return found

    whole, parts = counts(values), counts(values[:2000])
    parts.add(counts(values[2000:]))
    assert parts == whole
    for q in (0.1, 0.5, 0.9):
        assert whole.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.015)
    assert Counts.from_json(json.loads(json.dumps(whole.to_json()))) == whole
    assert np.isnan(Counts().quantile(0.5))


def test_two_runs_into_one_output_take_turns(tmp_path):
    write_jsonl(tmp_path / "a.jsonl", TEXTS * 50)
    program = (
        "import sys, nextword; from nextword.tasks.filter.run import filter_files; "
        "from nextword.tasks.filter.settings import FilterSettings; "
        "r = filter_files(nextword.load(sys.argv[1]), [sys.argv[2]], sys.argv[3], FilterSettings()); print(r.reused)"
    )
    LM.save(tmp_path / "model")
    command = [sys.executable, "-c", program, *(str(tmp_path / name) for name in ("model", "a.jsonl", "out"))]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0].strip() for process in running) == ["0", "1"]
