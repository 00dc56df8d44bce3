"""Searches through the command line on folders as users have them: damaged, in every mode, and with masks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Run = Callable[..., tuple[int, str, str]]
CNN = [{"block": "HR", "depth": 1, "width": {"choice": [8, 16]}}]


HEAD = {"type": "classifier", "classes": 2}


@pytest.fixture
def search(run: Run, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Exit code and words of a search: two trials of one epoch."""

    def conduct(data: dict[str, Any], stages: list[Any], stem: str, head: dict[str, Any]) -> tuple[int, str]:
        recipe = {"epochs": 1, "batch_size": 8}
        study = {
            "name": "toy",
            "space": {"resolution": 32, "stem": stem, "stages": stages, "head": head},
            "evaluator": {"type": "train", "data": {"resolution": 32, **data}, "recipe": recipe, "latency_rounds": 5},
            "sampler": "random",
            "trials": 2,
            "final": {"seeds": 0},
        }
        path = tmp_path / "study.yaml"
        path.write_text(json.dumps(study))
        code, out, err = run("search", str(path), "--runs", str(tmp_path / "runs"))
        assert "Traceback" not in out + err
        return code, " ".join((out + err).split())

    return conduct


def noise(seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    return Image.fromarray(levels).resize((40, 34), Image.Resampling.BICUBIC)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two classes of ten images, in every mode that cameras and scanners write, two of them damaged."""
    root = tmp_path / "photos"
    for number in range(20):
        folder = root / ("dark", "light")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image = noise(number)
        mode = ("RGB", "L", "P", "RGBA", "CMYK", "16 bit")[number // 2 % 6]
        if mode == "16 bit":
            gray = np.asarray(image.convert("L")).astype(np.uint16) * 257
            Image.fromarray(gray).save(folder / f"{number:02}.png")
        else:
            image.convert(mode).save(folder / f"{number:02}.{'png' if mode in ('P', 'RGBA') else 'jpg'}")
    (root / "dark" / "12.jpg").write_bytes((root / "dark" / "00.jpg").read_bytes()[:400])
    (root / "light" / "13.jpg").write_bytes(b"<html>not found</html>")
    return root


def test_a_folder_with_damaged_files_is_refused_and_then_searched_without_them(
    mixed: Path, tmp_path: Path, search: Any
):
    data = {"type": "imagefolder", "path": str(mixed)}
    code, said = search(data, CNN, "hr_stem", HEAD)
    assert code == 2
    assert f"{mixed}: path: 2 of 20 images cannot be decoded: dark/12.jpg (" in said
    assert "light/13.jpg (no image that Pillow knows)" in said
    options = {"unreadable": "skip", "class_weights": "balanced", "draft": True}
    code, said = search(data | options, CNN, "hr_stem", HEAD)
    assert code == 0, said
    assert f"images in {mixed}: 18 images of 2 classes: train 1" in said
    assert "2 of 20 images cannot be decoded and are left out: dark/12.jpg (" in said
    notes = json.loads((tmp_path / "runs" / "toy" / "inputs.json").read_text())["inputs"][0]["notes"]
    assert "light/13.jpg" in notes[1]


def test_a_head_of_other_classes_than_the_folder_is_refused(mixed: Path, search: Any):
    data = {"type": "imagefolder", "path": str(mixed), "unreadable": "skip"}
    code, said = search(data, CNN, "hr_stem", {"type": "classifier", "classes": 3})
    assert code == 2
    assert "head: must have the data set's 2 classes, not 3" in said


def test_a_folder_of_images_and_masks_is_searched_for_miou(tmp_path: Path, search: Any):
    for number in range(20):
        for name in ("images", "masks"):
            (tmp_path / "rooms" / name).mkdir(parents=True, exist_ok=True)
        image = noise(number)
        image.save(tmp_path / "rooms" / "images" / f"{number}.jpg")
        mask = (np.asarray(image.convert("L")) // 100).astype(np.uint8)
        mask[:3] = 255
        Image.fromarray(mask).save(tmp_path / "rooms" / "masks" / f"{number}.png")
    stages = [{"block": "CFFN", "depth": 1, "width": {"choice": [8, 16]}, "expansion": 2}]
    data = {"type": "maskfolder", "path": str(tmp_path / "rooms"), "num_classes": 3}
    code, said = search(data, stages, "patch_stem", {"type": "segformer", "classes": 3, "width": 8})
    assert code == 0, said
    assert "20 images with masks of 3 classes: train 16 (0 in " in said
    assert "mIoU" in said
