"""The loader: processes from one epoch to the next, damaged images under both policies, JPEGs decoded at a part."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from archspec.errors import RunError
from search.data.dataset import DatasetSplit, parse_dataset
from search.data.decoding import loader
from search.data.images.source import FileSource
from search.data.images.split import MEAN, STD, Framing, ImageSplit, normaliser
from search.recipe.recipe import parse_recipe

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of ten images, 96 to 132 pixels wide."""
    root = tmp_path_factory.mktemp("loader")
    for number in range(20):
        place = root / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        levels = np.random.default_rng(number).integers(0, 256, (9, 12, 3)).astype(np.uint8)
        size = (96 + 4 * (number % 10), 80 + number)
        Image.fromarray(levels).resize(size, Image.Resampling.BICUBIC).save(place / f"{number:02}.jpg", quality=95)
    return root


def source(folder: Path) -> FileSource:
    files = sorted(str(path.relative_to(folder)) for path in folder.glob("*/*.jpg"))
    return FileSource(folder, files, [int(path[0] == "b") for path in files])


def epochs(split: DatasetSplit, workers: int, count: int = 3) -> list[tuple[Tensor, Tensor]]:
    found: list[tuple[Tensor, Tensor]] = []
    for epoch in range(count):
        parts = list(split.batches(8, seed=1, epoch=epoch, shuffle=True, workers=workers, augment=True))
        found.append((torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts])))
    return found


def processes(split: ImageSplit) -> list[int]:
    """Numbers of the processes that wait for the next pass."""
    kept = split._loader._idle  # pyright: ignore[reportPrivateUsage]
    assert kept is not None
    return [process.pid for process in kept[2]._iterator._workers]  # pyright: ignore


class TestProcesses:
    def test_are_kept_between_epochs_and_change_no_bit(self, folder: Path):
        plain = ImageSplit(source(folder), Framing(24, 0.875, 0.08, True))
        kept = plain.configured(parse_recipe({"prefetch": 3}), CPU)
        alone = epochs(plain, 0)
        numbers: list[list[int]] = []
        for epoch, (images, labels) in enumerate(alone):
            parts = list(kept.batches(8, seed=1, epoch=epoch, shuffle=True, workers=2, augment=True))
            assert torch.equal(torch.cat([part[0] for part in parts]), images)
            assert torch.equal(torch.cat([part[1] for part in parts]), labels)
            numbers.append(processes(kept))
        assert len(numbers[0]) == 2
        assert numbers[0] == numbers[1] == numbers[2]
        assert not torch.equal(alone[0][0], alone[1][0])

    def test_a_pass_given_up_and_two_passes_at_a_time_change_nothing(self, folder: Path):
        split = ImageSplit(source(folder), Framing(24, 0.875, 0.08, True)).configured(parse_recipe({}), CPU)
        options = {"seed": 1, "shuffle": True, "augment": True, "workers": 1}
        whole = [part[0] for part in split.batches(8, epoch=1, **options)]  # pyright: ignore
        next(iter(split.batches(8, epoch=0, **options)))  # pyright: ignore
        beside = zip(split.batches(8, epoch=1, **options), split.batches(8, epoch=0, **options), strict=True)  # pyright: ignore
        assert all(torch.equal(one, first) for one, ((first, _), _) in zip(whole, beside, strict=True))

    def test_what_is_prepared_in_advance_is_the_recipes(self, folder: Path):
        split = ImageSplit(source(folder), Framing(24, 0.875, 0.08, True))
        configured = split.configured(parse_recipe({"prefetch": 5}), CPU)
        order, made = configured._loader._start(2)  # pyright: ignore[reportPrivateUsage]
        assert (made.prefetch_factor, made.persistent_workers, made.pin_memory) == (5, True, False)
        assert not split._loader._start(2)[1].persistent_workers  # pyright: ignore[reportPrivateUsage]
        assert len(order) == 0

    def test_memory_is_pinned_for_cuda_alone(self, folder: Path):
        split = ImageSplit(source(folder), Framing(24, 0.875, 0.08, True))
        made = loader.ImageLoader(split._loader._decoder, parse_recipe({}), torch.device("cuda", 1))  # pyright: ignore
        assert made._start(0)[1].pin_memory  # pyright: ignore[reportPrivateUsage]


def test_processes_that_train_together_decode_a_part_of_each_batch(folder: Path):
    split = ImageSplit(source(folder), Framing(24, 0.875, 0.08, True)).configured(parse_recipe({}), CPU)
    how = {"seed": 1, "epoch": 2, "shuffle": True, "augment": True}
    parts = [one.batches(7, **how) for rank in range(3) if (one := split.shared(rank, 3))]  # pyright: ignore
    sizes: list[list[int]] = []
    for (images, labels), *own in zip(split.batches(7, **how), *parts, strict=True):  # pyright: ignore
        assert torch.equal(torch.cat([part[0] for part in own]), images)
        assert torch.equal(torch.cat([part[1] for part in own]), labels)
        sizes.append([len(part[0]) for part in own])
    assert sizes == [[2, 2, 3], [2, 2, 3], [2, 2, 2]]
    # What may be left out must be known to all of them.
    assert ImageSplit(source(folder), Framing(24, 0.875, 0.08, True), unreadable="skip").shared(0, 2) is None


def test_pixels_are_normalised_to_the_bit_as_in_one_go():
    pixels = torch.randint(0, 256, (3, 5, 7, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels = pixels.permute(0, 3, 1, 2)
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    wanted = pixels.float().mul_(1 / (255 * std)).sub_(mean / std)
    found = normaliser(CPU)(pixels)
    assert torch.equal(found, wanted)
    assert found.stride() == wanted.stride()
    assert torch.equal(normaliser(torch.device("cpu"))(pixels.contiguous()), wanted)


class TestDamage:
    @pytest.fixture
    def damaged(self, folder: Path, tmp_path: Path) -> FileSource:
        """The images again, the third and the seventh cut off, and 16 to 19 all of them."""
        whole = source(folder)
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        for number, name in enumerate(whole.files):
            content = (folder / name).read_bytes()
            (tmp_path / name).write_bytes(content[: len(content) // 2] if number in (3, 7, 16, 17, 18, 19) else content)
        return FileSource(tmp_path, whole.files, whole.labels.tolist())

    def test_refused_it_is_named_and_skipped_it_is_left_out_of_its_batch(self, damaged: FileSource):
        framing = Framing(24, 0.875, 0.08, True)
        for workers in (0, 1):
            with pytest.raises(RunError, match=r"a/06\.jpg: image cannot be decoded \(OSError: .*truncated"):
                list(ImageSplit(damaged, framing).batches(4, seed=0, epoch=0, shuffle=False, workers=workers))
            split = ImageSplit(damaged, framing, unreadable="skip").configured(parse_recipe({}), CPU)
            batches = list(split.batches(4, seed=0, epoch=0, shuffle=False, workers=workers))
            assert [len(images) for images, _ in batches] == [3, 3, 4, 4]  # the fifth has none left
            assert torch.cat([labels for _, labels in batches]).tolist() == [0] * 8 + [1] * 6

    def test_a_file_that_is_gone_is_an_error_whatever_the_policy(self, damaged: FileSource):
        (damaged.root / damaged.files[0]).unlink()
        split = ImageSplit(damaged, Framing(24, 0.875, 0.08, True), unreadable="skip")
        with pytest.raises(RunError, match=r"a/00\.jpg: image cannot be decoded \(FileNotFoundError"):
            list(split.batches(4, seed=0, epoch=0, shuffle=False))


class TestDraft:
    @pytest.fixture(scope="class")
    def large(self, tmp_path_factory: pytest.TempPathFactory) -> FileSource:
        root = tmp_path_factory.mktemp("large")
        levels = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
        for number in range(3):
            image = Image.fromarray(levels).resize((800 + number, 600), Image.Resampling.BICUBIC)
            image.save(root / f"{number}.jpg", quality=95)
        return FileSource(root, [f"{number}.jpg" for number in range(3)], [0, 1, 0])

    @pytest.mark.parametrize("augment", [False, True])
    def test_a_part_is_decoded_and_shows_nearly_the_same(self, large: FileSource, augment: bool):
        asked: list[tuple[int, int]] = []
        views: list[Tensor] = []
        for draft in (False, True):
            split = ImageSplit(large, Framing(32, 0.875, 0.08, True, draft=draft))
            views += [images for images, _ in split.batches(8, seed=0, epoch=0, shuffle=False, augment=augment)]
        with Image.open(large.root / "0.jpg") as image:
            image.draft(None, Framing(32, 0.875, 0.08, True).view(*image.size, None).enough(32))  # pyright: ignore
            asked.append(image.size)
        assert asked == [(100, 75)]  # an eighth, of which 65 pixels are scored at 32
        assert 0 < (views[0] - views[1]).abs().mean().item() < 0.05

    def test_nothing_is_lost_of_the_part_that_is_cut_out(self, large: FileSource):
        """At 256 pixels the centre has 525 of 600 pixels: half of it suffices, a quarter does not."""
        enough = Framing(256, 0.875, 0.08, True).view(800, 600, None).enough(256)
        assert enough == (391, 293)
        with Image.open(large.root / "0.jpg") as image:
            image.draft(None, enough)  # pyright: ignore
            assert image.size == (400, 300)

    def test_it_is_off_where_nobody_asks_for_it(self):
        data = parse_dataset({"type": "imagefolder", "path": "x"})
        assert data.draft is False  # pyright: ignore
