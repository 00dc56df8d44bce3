"""Processes that train a network together: the steps of one process, and the same weights in all. One pair is started
here; what kills them is in tests/engines/ddp_faults.py."""

from types import SimpleNamespace

import pytest
import torch
from ranked import run_training, train_all

from archspec.errors import FieldError, RunError
from search.data.dataset import own_part
from search.evaluator import parse_evaluator
from search.evaluators.train import BESIDE, Train
from search.identity import identity
from search.processes.elastic import RankGroup
from search.recipe.recipe import Recipe
from search.train.device import find_rank_device
from search.train.parallel.ranks import Ranks
from search.train.parallel.session import SharedSession
from search.train.step import Stepper

EXACT = ("plain", "mixed parts", "distilled")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Trainings of two gloo processes, by their names: as each of the two has them."""
    folder = tmp_path_factory.mktemp("ranks")
    names = (*EXACT, "normalised")
    return dict(
        zip(names, RankGroup(train_all, (names, folder, 1), 2).run(lambda: False, lambda said: None), strict=True)
    )


def distance(first, second):
    """The largest difference of two networks' weights."""
    theirs = second["weights"]
    return max((tensor - theirs[name]).abs().max().item() for name, tensor in first["weights"].items())


@pytest.mark.parametrize("name", [*EXACT, "normalised"])
def test_both_processes_end_with_the_same_weights(trained, name):
    first, second = trained[name]
    assert all(torch.equal(tensor, second["weights"][key]) for key, tensor in first["weights"].items())
    assert first["curve"] == second["curve"]


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_take_the_steps_of_one(trained, tmp_path, name):
    """Augmented, mixed, taught and computed in parts as one batch."""
    alone = run_training(name, tmp_path, 1)
    assert distance(alone, trained[name][0]) < 1e-6
    for one, other in zip(alone["curve"], trained[name][0]["curve"], strict=True):
        assert one == pytest.approx(other, abs=1e-6)


def test_batch_norm_of_a_cpu_sees_a_processs_own_part(trained, tmp_path):
    """Which the comparison above would notice, as it would an image too many."""
    alone = run_training("normalised", tmp_path, 1)
    assert 1e-4 < distance(alone, trained["normalised"][0]) < 0.2


@pytest.mark.parametrize("count", [4, 7, 48])
@pytest.mark.parametrize("ranks", [2, 3])
def test_parts_of_a_batch_are_those_of_one_process(count, ranks):
    def parts(rank, ranks, total=None):
        recipe = Recipe.model_validate({"accumulate": 2, "batch_size": 64})
        own = own_part(count, rank, ranks)
        stepper = SimpleNamespace(_ranks=Ranks(rank, ranks), _recipe=recipe)
        return Stepper._parts(stepper, count if total is None else own.stop - own.start, total)  # pyright: ignore

    of_one = parts(0, 1)
    of_each = [parts(rank, ranks) for rank in range(ranks)]
    whole = [list(range(part.start, part.stop)) for part in of_one]
    if count >= 4 * ranks:  # as many parts, each of which is that of one process
        joined = [[n for own in one for n in range(own.start, own.stop)] for one in zip(*of_each, strict=True)]
        assert joined == whole
    own = [parts(rank, ranks, count) for rank in range(ranks)]
    assert len({len(one) for one in own}) == 1  # or synchronised batch norm would wait for ever
    assert sum(part.stop - part.start for one in own for part in one) == count


def test_too_few_images_for_every_process_are_refused():
    Ranks(0, 1).check_batches(5, 4)
    with pytest.raises(RunError, match="5 training images in batches of 2 leave less than two images for each of 2"):
        Ranks(0, 2).check_batches(5, 4)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"gpus": 2, "device": "cpu"}, r"gpus: must be 1 on device cpu, not 2.*processes says how many"),
        ({"gpus": 2, "device": "cuda:1"}, r"gpus: must be 1 on device cuda:1, not 2"),
        ({"processes": 2}, r"processes: must be 1 on device auto, not 2: it is for cpu; on GPUs, gpus says"),
        ({"gpus": 8, "recipe": {"batch_size": 16, "accumulate": 2}}, r"recipe.batch_size: must be at least 32, two"),
    ],
)
def test_what_cannot_be_shared_is_refused(fields, rule):
    with pytest.raises(FieldError, match=rule):
        parse_evaluator({"type": "train", **fields})


def test_finalists_keep_to_the_processes():
    shared = Train.model_validate({"gpus": 4})
    assert shared.finalist({"epochs": 3}).gpus_per_order == 4
    with pytest.raises(FieldError, match=r"recipe.batch_size: must be at least 8"):
        shared.finalist({"batch_size": 4})


def test_gpus_are_no_part_of_what_a_run_was_asked_and_processes_are():
    """Synchronised batch norm makes one computation of several GPUs; on a CPU, parts are normalised by themselves."""
    one, four = Train.model_validate({}), Train.model_validate({"gpus": 4})
    assert (one.record(), identity(one, BESIDE)) == (four.record(), identity(four, BESIDE))
    alone, two = (Train.model_validate({"device": "cpu", "processes": count}) for count in (1, 2))
    assert alone.record() != two.record()
    assert identity(alone, BESIDE) == identity(one, BESIDE) != identity(two, BESIDE)


def test_the_process_that_starts_others_has_neither_data_nor_network():
    config = Train.model_validate({"device": "cpu", "processes": 2, "data": {"type": "imagefolder", "path": "nowhere"}})
    assert isinstance(config.open(), SharedSession)


def test_ranks_take_the_devices_of_their_worker(monkeypatch):
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 4)
    monkeypatch.setattr(torch, "get_device_module", lambda kind: cuda)
    found = [[str(find_rank_device("cuda", place, rank, 2)) for rank in range(2)] for place in range(2)]
    assert found == [["cuda:0", "cuda:1"], ["cuda:2", "cuda:3"]]
    with pytest.raises(FieldError, match=r"gpus: 8 are needed: torch sees cpu, cuda:0, cuda:1"):
        find_rank_device("cuda", 0, 0, 8)
