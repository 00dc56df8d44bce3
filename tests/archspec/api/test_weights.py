"""The way back: networks from what `save`, the command line and the trainings of a run leave on disk."""

import shutil

import pytest
import torch

import archspec
from archspec.errors import RunError, SpecError

DATA = {"type": "cluttered_digits", "train": 128, "validation": 100, "test": 100}
TRAIN = {"type": "train", "data": DATA, "recipe": {"epochs": 1}, "latency_rounds": 5}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    runs = tmp_path_factory.mktemp("trained") / "runs"
    final = {"seeds": 1, "members": 2}
    return archspec.search("five_stage_grid", evaluator=TRAIN, trials=2, sampler="random", runs=runs, final=final)


def test_a_folder_a_pair_and_a_name_without_ending_come_back(tmp_path):
    torch.manual_seed(0)
    network = archspec.build("tiny").eval()
    images = torch.randn(2, 3, 64, 64)
    weights, written = archspec.save(network, tmp_path / "folder")
    assert (weights.name, written.name) == ("model.safetensors", "model.yaml")
    archspec.save(network, str(tmp_path / "deep" / "net.safetensors"))
    for path in (tmp_path / "folder", weights, written, tmp_path / "deep" / "net", str(tmp_path / "deep" / "net.yaml")):
        again = archspec.restore(path)
        assert not again.training
        assert again.spec == network.spec == archspec.load("tiny")
        assert torch.equal(again(images), network(images))


def test_a_network_built_at_another_resolution_keeps_the_spec_that_it_was_built_from(tmp_path):
    network = archspec.build("hiri-vit-s", 384)
    assert network.spec.resolution == 384
    archspec.save(network, tmp_path / "net")
    assert archspec.restore(tmp_path / "net").spec == network.spec


def test_a_member_of_a_searchs_front_comes_back_as_it_was_scored(run):
    from search.data.dataset import parse_dataset
    from search.train.loop import evaluate

    member = run.front[0]
    network = member.restore()
    assert network.spec.digest == member.spec.digest
    data = parse_dataset(DATA).load()
    score = evaluate(network, data.validation, device=torch.device("cpu"), batch_size=192)
    assert score.accuracy == pytest.approx(member.metrics["accuracy"])
    folder = run.root / "artifacts" / member.spec.digest
    training = folder / f"final-seed{1}"
    tested = evaluate(archspec.restore(training), data.test, device=torch.device("cpu"), batch_size=192)
    assert tested.accuracy == pytest.approx(member.metrics["test_accuracy"])
    again = archspec.restore(folder / "search-seed0" / "checkpoint.pt")
    assert all(torch.equal(one, again.state_dict()[name]) for name, one in network.state_dict().items())


def test_what_is_no_network_is_told_with_what_is(run, tmp_path):
    folder = run.root / "artifacts" / run.front[0].spec.digest
    with pytest.raises(SpecError, match=r"is a run: restore a member of its front"):
        archspec.restore(run.root)
    with pytest.raises(SpecError, match=r"holds several trainings: name one of final-seed1, search-seed0"):
        archspec.restore(folder)
    with pytest.raises(SpecError, match=r"nothing.yaml: no such file"):
        archspec.restore(tmp_path / "nothing")
    other = tmp_path / "digest" / "search-seed0"
    shutil.copytree(folder / "search-seed0", other)
    (tmp_path / "digest" / "spec.yaml").write_text(archspec.dump(archspec.load("tiny")))
    with pytest.raises(RunError, match=r"holds weights of digest"):
        archspec.restore(other)
    (other / "checkpoint.pt").write_bytes(b"torn")
    with pytest.raises(RunError, match="damaged checkpoint"):
        archspec.restore(other)


def test_a_front_of_a_function_keeps_no_weights(tmp_path):
    run = archspec.search("five_stage_grid", lambda spec, seed: 0.5, trials=1, runs=tmp_path)
    with pytest.raises(RunError, match="keeps no weights"):
        run.front[0].restore()
    assert archspec.space("five_stage_grid").front()[0].folder is None
