"""Data sets of stored images: the same images alike in every format, and a search on each."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from extras import need
from journals import trials_of
from stored_images import photos, saved, write_shard, write_table
from torch import Tensor

import search.run.run
from archspec.errors import FieldError, RunError, SpecError
from search.data.dataset import Dataset, DatasetSplit, parse_dataset
from search.recipe.recipe import parse_recipe
from search.run.pools.in_process import InProcessPool
from search.study.recorded_inputs import record_inputs

KINDS = ("hf", "webdataset", "parquet")
MODULES = {"hf": "datasets", "parquet": "pyarrow.parquet"}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def made(kind: str, root: Path, train: int = 40, *, alone: bool = False) -> dict[str, Any]:
    """A data set of 40 images in two files, and of 12 for the test; `alone`, without those."""
    if kind in MODULES:
        need(MODULES[kind], kind)
    root.mkdir(parents=True, exist_ok=True)
    first, tested = photos(train), photos(12, 1)
    options = {"type": kind, "resolution": 32, "num_classes": 2}
    if kind == "hf":
        datasets = need("datasets", "hf")
        datasets.disable_progress_bars()
        splits = {"train": saved(first)} | ({} if alone else {"test": saved(tested)})
        datasets.DatasetDict(splits).save_to_disk(root / "set")
        return options | {"path": str(root / "set")}
    write, ending = (write_shard, "tar") if kind == "webdataset" else (write_table, "parquet")
    write(root / f"train-0.{ending}", first[: train // 2])
    if kind == "webdataset":
        write_shard(root / "train-1.tar", first[train // 2 :], train // 2)
    else:
        write(root / f"train-1.{ending}", first[train // 2 :])
    write(root / f"test.{ending}", tested)
    options |= {"train": f"{root}/train-{{0..1}}.{ending}"}
    return options | ({} if alone else {"test": f"{root}/test.{ending}"})


def opened(kind: str, root: Path, **changes: Any) -> Dataset:
    return parse_dataset(made(kind, root) | changes)


def read(split: DatasetSplit, **changes: Any) -> tuple[Tensor, Tensor]:
    options = {"seed": 0, "epoch": 0, "shuffle": False} | changes
    images, labels = zip(*split.batches(8, **options), strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("kind", KINDS)
def test_images_of_every_mode_are_read_as_from_a_folder(kind: str, tmp_path: Path):
    images, labels = read(opened(kind, tmp_path / "set").load().test)
    for number, photo in enumerate(photos(12, 1)):
        folder = tmp_path / "folder" / "test" / str(photo.label)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02}.{photo.ending}").write_bytes(photo.data)
    for label in "01":
        (tmp_path / "folder" / "train" / label).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "folder" / "train" / label / f"{number}.png").write_bytes(photos(1)[0].data)
    folder = {"type": "imagefolder", "path": str(tmp_path / "folder"), "resolution": 32}
    expected, _ = read(parse_dataset(folder).load().test)  # in the order of its classes
    assert torch.equal(torch.cat([images[labels == 0], images[labels == 1]]), expected)
    assert torch.equal(labels, (images.mean((1, 2, 3)) > 0).long())


@pytest.mark.parametrize("kind", KINDS)
def test_order_and_augmentation_depend_on_seed_and_epoch_alone(kind: str, tmp_path: Path):
    split = opened(kind, tmp_path / "set").load().train
    options = {"seed": 5, "epoch": 2, "shuffle": True, "augment": True}
    alone, helped = read(split, **options), read(split, **options, workers=2)
    assert torch.equal(alone[0], helped[0])
    assert torch.equal(alone[1], helped[1])
    assert not torch.equal(alone[0], read(split, **(options | {"epoch": 3}))[0])
    assert not torch.equal(alone[0], read(split, **(options | {"seed": 6}))[0])


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Has this process train, which knows torch already, instead of one that is begun for it."""
    threads = torch.get_num_threads()
    monkeypatch.setattr(
        search.run.run, "open_pool", lambda _, evaluators, root, *clock: InProcessPool(evaluators, root)
    )  # pyright: ignore
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_on_it_from_the_command_line(kind: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]):
    space = {
        "resolution": 32,
        "stem": "hr_stem",
        "head": {"type": "classifier", "classes": 2},
        "stages": [{"block": "HR", "depth": 1, "width": {"choice": [*range(8, 64, 4)]}}],
    }
    recipe = {"epochs": 1, "batch_size": 16}
    evaluator = {"type": "train", "data": made(kind, tmp_path / "set"), "recipe": recipe, "latency_rounds": 5}
    study = {"name": "toy", "space": space, "trials": 2, "seed": 1, "sampler": "random", "final": {"seeds": 0}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study | {"evaluator": evaluator}))
    code, _, err = run("search", "study.yaml", "--quiet")
    assert (code, err) == (0, "")
    assert [trial.state.name for trial in trials_of(tmp_path / "runs" / "toy")] == ["COMPLETE"] * 2
    made(kind, tmp_path / "set", 38)
    code, _, err = run("search", "runs/toy", "--quiet", "--trials", "3")
    assert code == 2
    assert "not as when this run began" in err
    assert "train has 34 images, 36 before" in err


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_missing_is_carved_out_and_recorded(kind: str, tmp_path: Path):
    data = parse_dataset(made(kind, tmp_path / "set", alone=True) | {"validation": 0.2, "num_classes": None})
    assert data.classes == 2
    (found,) = data.inputs()
    assert found.counts == {"train": 28, "validation": 8, "test": 4}
    counts = "train 28 ({0} 14, {1} 14), validation 8 ({0} 4, {1} 4), test 4 ({0} 2, {1} 2)"
    names = ("dark", "light") if kind == "hf" else ("0", "1")
    assert list(found.examine()) == [f"{found.name}: 40 images of 2 classes: {counts.format(*names)}"]
    assert record_inputs(tmp_path, (found,), begun=False) == record_inputs(tmp_path, data.inputs(), begun=True)
    other = data.model_copy(update={"validation": 0.1})
    with pytest.raises(
        SpecError, match=r"images (in|of) .*: not as when this run began: train has 32 images, 28 before"
    ):
        record_inputs(tmp_path, other.inputs(), begun=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_corrupt_image_is_named_by_its_file_and_row(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, tested = photos(40), photos(12, 1)
    tested[3] = tested[3]._replace(data=tested[3].data[:60])
    with monkeypatch.context() as patched:
        patched.setitem(globals(), "photos", lambda _, seed=0: (whole, tested)[seed])
        data = opened(kind, tmp_path / "set")
    place = {
        "hf": "split test: row 3",
        "webdataset": f"{tmp_path}/set/test.tar: sample set/0003",
        "parquet": f"{tmp_path}/set/test.parquet: row 3",
    }[kind]
    with pytest.raises(RunError, match=rf"^{place}: image cannot be decoded"):
        read(data.load().test)
    with pytest.raises(
        SpecError, match=rf"^unreadable: 1 of 52 images cannot be decoded: {place} \(.*; repair them or"
    ):
        data.inputs()[0].examine()
    skipping = data.model_copy(update={"unreadable": "skip"})
    assert len(read(skipping.load().test)[0]) == 11
    notes = skipping.inputs()[0].examine()
    assert "test 11 (" in notes[0]
    assert notes[1].startswith(f"1 of 52 images cannot be decoded and are left out: {place} (")


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_cut_and_augmented_as_those_of_folders(kind: str, tmp_path: Path):
    made_of = made(kind, tmp_path / "set")
    data = parse_dataset(made_of)
    data.check_recipe(parse_recipe({"auto_augment": "ta_wide"}))
    plain = read(data.load().train, augment=True)[0]
    for change in ({"aspect": [1, 1]}, {"interpolation": "bilinear"}, {"vertical_flip": True}, {"smallest_area": 1}):
        assert not torch.equal(read(parse_dataset(made_of | change).load().train, augment=True)[0], plain)
    scored = read(data.load().test)[0]
    for change in ({"test_interpolation": "bilinear"}, {"crop": 1}):
        assert not torch.equal(read(parse_dataset(made_of | change).load().test)[0], scored)
    with pytest.raises(
        FieldError, match=r"^aspect: must be two numbers from 0\.1 to 10, the smaller one first, not 2, 1"
    ):
        parse_dataset(made_of | {"aspect": [2, 1]})


@pytest.mark.parametrize(("kind", "module"), [("hf", "datasets"), ("parquet", "pyarrow.parquet")])
def test_without_its_package_a_study_can_be_checked_and_not_begun(
    kind: str, module: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, module, None)
    options = {"path": "x"} if kind == "hf" else {"train": "study.yaml"}
    Path("study.yaml").touch()
    data = parse_dataset({"type": kind, "num_classes": 10, **options})
    assert data.classes == 10
    package = module.partition(".")[0]
    for begin in (data.inputs, data.load):
        with pytest.raises(SpecError) as caught:
            begin()
        assert str(caught.value).startswith(f"type: data set {kind} needs {package}, which ")
        assert str(caught.value).endswith(f": pip install 'archspec-vision[{kind}]'")


@pytest.mark.parametrize(
    ("raw", "field", "rule"),
    [
        ({"type": "hf"}, "path", "is required"),
        ({"type": "hf", "path": "x", "test": 0.5}, "test", "a share must be above 0 and at most 0.45, not 0.5"),
        ({"type": "hf", "path": "x", "train": ""}, "train", "must be a name that is not empty, not ''"),
        ({"type": "hf", "path": "x", "revision": "main"}, "revision", "must be text that matches '^[0-9a-f]{7,40}$'"),
        ({"type": "parquet"}, "train", "is required"),
        ({"type": "parquet", "train": "x", "validation": []}, "validation", "must be a name that is not empty, not []"),
        ({"type": "webdataset", "train": ["a", 3]}, "train", "must be a name that is not empty, not ['a', 3]"),
        ({"type": "webdataset", "train": "x", "resolution": 4}, "resolution", "must be greater than or equal to 8"),
    ],
)
def test_bad_options_name_field_and_rule(raw: dict[str, Any], field: str, rule: str):
    with pytest.raises(FieldError) as caught:
        parse_dataset(raw)
    assert caught.value.field == field
    assert caught.value.rule.startswith(rule)


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "hf", "path": "x", "validation": "dev", "test": 0.2},
        {"type": "webdataset", "train": ["a", "b"], "validation": ["c"], "image": ["png"]},
        {"type": "parquet", "train": "a", "test": "b"},
    ],
)
def test_options_stay_as_they_are_written(raw: dict[str, Any]):
    data = parse_dataset(raw)
    assert parse_dataset(data.model_dump(mode="json")) == data
    assert data.model_dump(mode="json", include=set(raw)) == raw
