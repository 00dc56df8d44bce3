"""ImageNet's own layouts: Kaggle's archive, and validation images without class folders, with each kind of list."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archspec.errors import SpecError
from search.data.dataset import Dataset, parse_dataset

CLASSES = ("n01440764", "n01443537", "n02119789")
PLACE = Path("ILSVRC") / "Data" / "CLS-LOC"
TRUTH = [2, 0, 1, 1, 2, 0]
"""Class of each validation image, by name."""


def save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(levels).resize((24, 24), Image.Resampling.BICUBIC).save(path, "JPEG")


def fill(root: Path) -> Path:
    """`train` with class folders, `val` without."""
    for label, name in enumerate(CLASSES):
        for number in range(6):
            save(root / "train" / name / f"{name}_{number}.JPEG", 10 * label + number)
    for number in range(6):
        save(root / "val" / f"ILSVRC2012_val_{number + 1:08}.JPEG", 100 + number)
    return root


def data(path: Path, **options: object) -> Dataset:
    return parse_dataset({"type": "imagefolder", "path": str(path), "resolution": 16, **options})


def refusal(path: Path, **options: object) -> str:
    with pytest.raises(SpecError) as caught:
        data(path, **options).load()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def truth() -> dict[str, int]:
    return {str(number + 1): label for number, label in enumerate(TRUTH)}


def found(path: Path, **options: object) -> dict[str, int]:
    split = data(path, **options).load().test
    files, numbers = split.source.files, split.source.labels.tolist()  # pyright: ignore
    return {Path(name).stem[-1]: label for name, label in zip(files, numbers, strict=True)}


def test_kaggles_archive_is_recognised_with_its_list_and_its_test_left_out(tmp_path: Path):
    fill(tmp_path / PLACE)
    save(tmp_path / PLACE / "test" / "ILSVRC2012_test_00000001.JPEG", 7)
    rule = (
        "has no class folders: state the list of its labels as val_labels (LOC_val_solution.csv, val.txt, or the "
        "devkit's ILSVRC2012_validation_ground_truth.txt)"
    )
    assert rule in refusal(tmp_path)
    rows = [
        f"ILSVRC2012_val_{n + 1:08},{CLASSES[label]} 85 1 499 272 {CLASSES[0]} 1 1 2 2" for n, label in enumerate(TRUTH)
    ]
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]) + "\n")
    assert found(tmp_path) == truth()
    assert data(tmp_path).classes == 3
    (one,) = data(tmp_path, protocol="imagenet1k").inputs()
    assert list(one.examine())[1:] == ["the images in test are left out: they have no labels"]


def test_a_list_of_files_and_numbers_or_names_is_read_and_part_of_what_a_run_read(tmp_path: Path):
    fill(tmp_path)
    rows = [f"ILSVRC2012_val_{n + 1:08}.JPEG {label}" for n, label in enumerate(TRUTH)]
    (tmp_path / "val.txt").write_text("\n".join(rows))
    assert found(tmp_path) == truth()
    before = data(tmp_path).inputs()[0].digest
    rows[0] = rows[0][:-1] + CLASSES[1]
    (tmp_path / "other.txt").write_text("\n".join(rows))
    assert found(tmp_path, val_labels="other.txt")["1"] == 1
    assert data(tmp_path, val_labels="other.txt").inputs()[0].digest != before
    assert set(found(tmp_path, subset={"only": list(CLASSES[:2])}).values()) == {0, 1}


def test_the_devkits_numbers_are_those_of_its_own_table(tmp_path: Path):
    scipy_io = pytest.importorskip("scipy.io")
    fill(tmp_path)
    folder = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    folder.mkdir(parents=True)
    numbers = {2: 1, 0: 2, 1: 3}  # not in the order of the alphabet
    table = np.zeros(4, dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])
    for label, number in numbers.items():
        table[number - 1] = (number, CLASSES[label], 0)
    table[3] = (4, "n00000001", 2)
    (folder / "ILSVRC2012_validation_ground_truth.txt").write_text("\n".join(str(numbers[one]) for one in TRUTH))
    assert "numbers need the devkit's meta.mat beside them, which is not there" in refusal(tmp_path)
    scipy_io.savemat(folder / "meta.mat", {"synsets": table})
    assert found(tmp_path) == truth()


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "ILSVRC2012_val_00000001.JPEG n0144076\n",
            "list.txt:1: val_labels: must hold an image and its class on each ",
        ),
        ("x.JPEG 0\nx.JPEG 3\n", "list.txt:2: val_labels: must hold an image and its class on each line; '3' is none"),
        ("x.JPEG 0\n", "list.txt: val_labels: no label for val/ILSVRC2012_val_00000001.JPEG, val/"),
        ("1\n2\n", "list.txt: val_labels: must have a line for each of the 6 images, not 2"),
    ],
)
def test_lists_that_do_not_fit_are_named_with_their_line(tmp_path: Path, text: str, rule: str):
    fill(tmp_path)
    (tmp_path / "list.txt").write_text(text)
    assert rule in refusal(tmp_path, val_labels="list.txt")
    assert "must be a file of labels, lost.txt is not there" in refusal(tmp_path, val_labels="lost.txt")


def test_archives_in_place_of_class_folders_are_to_be_unpacked(tmp_path: Path):
    (tmp_path / "train").mkdir()
    for name in CLASSES:
        (tmp_path / "train" / f"{name}.tar").write_bytes(b"")
    assert refusal(tmp_path).endswith(
        "; unpack n01440764.tar, n01443537.tar, n02119789.tar, each into a folder of its name"
    )
