"""The rungs on the page: counts, epochs, curves in grey; and values at a rung nowhere else."""

from pathlib import Path

import archspec
from reports.records.rungs import read_rungs
from reports.search_page.results import read_results
from reports.sections.curves import draw, front_curves
from reports.sections.equal_epochs import equal_epochs
from reports.sections.rungs import SECTION, rung_summary
from search.train.curve import EpochRecord, write_curve

SPACE = {
    "name": "blocks",
    "resolution": 32,
    "stem": {"type": "hr_stem", "width": 8},
    "head": {"type": "classifier", "classes": 10},
    "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": {"choice": [8, 12, 16]}, "expansion": 2}],
}


def train(spec, seed, epochs, folder):
    """An accuracy that grows with epochs to that of the layout, and a curve of it."""
    skill = 0.5 + archspec.measure(spec).params / 1e6
    course = [skill * (1 - 0.5**epoch) for epoch in range(1, epochs + 1)]
    write_curve(
        Path(folder) / "curve.csv", [EpochRecord(n, 0.1, 1.0, one, 1.0, 2.0) for n, one in enumerate(course, 1)]
    )
    return {"accuracy": course[-1], "train_seconds": 2.0 * epochs}


def test_the_page_says_what_stopped_where(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)
    rungs = {"epochs": [2, 6], "keep": "1/3"}
    archspec.search(SPACE, train, runs=tmp_path, name="toy", trials=7, rungs=rungs, baseline=2, quiet=True)
    results = read_results(tmp_path / "toy")
    found = read_rungs(results.record.study)
    assert found is not None
    assert [(one.epochs, one.reached, one.stopped) for one in found.rungs] == [(2, 7, 4), (6, 3, 3)]
    assert (found.spent, found.whole) == (4 * 2 + 3 * 6, 42)
    assert all(pair.early < pair.full and pair.costs["macs"] > 0 for pair in found.pairs)
    info = rung_summary(results)
    assert info is not None
    assert info.sentences[0] == "Rung 1 (2 of 6 epochs): 7 layouts came to it, 3 went on, 4 stopped."
    assert "3 of 7 layouts trained to the end: 26 of 42 epochs, which saved 16 (38%)" in info.sentences[1]
    assert "one of the search took 8.7 epochs, with those that stopped, and one of the baseline 6" in info.sentences[2]
    (gate,) = results.record.gates
    assert (gate.kind, gate.layouts, gate.passed) == ("rungs", 3, False)
    assert gate.estimate == "accuracy after 2 of 6 epochs"
    spent = equal_epochs(results.record)
    assert spent is not None
    assert (spent.search.total, spent.plain.total, spent.search.trainings) == (26, 12, 3)
    assert spent.search.seconds == 2.0 * 26
    assert spent.plain.epochs.tolist() == [6, 12]
    assert "After 12 epochs each: hypervolume" in spent.note
    assert spent.search.at(spent.search.epochs[0] - 1) == 0 < spent.search.at(26) == spent.search.values[-1]
    curves = front_curves(results)
    assert curves is not None
    assert [len(one.epochs) for one in curves.paused] == [2] * 4
    assert "stopped at a rung (4)" in [text.get_text() for text in draw(curves).axes[0].get_legend().get_texts()]
    whole = results.record.search[results.record.search["state"] == "COMPLETE"]
    assert len(whole) == 3
    assert results.record.search["accuracy"].notna().sum() == 3
    (tmp_path / "figures").mkdir()
    content = SECTION.write(info, tmp_path)
    assert (content.title, content.notes) == ("Rungs", info.sentences)
    assert len((tmp_path / "figures" / "rungs.csv").read_text().splitlines()) == 8
