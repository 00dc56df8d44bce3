"""The training of a supernet: its passes, kill -9 and continuation in bits, and what its folder refuses."""

import multiprocessing
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_supernets import STEPS, make_plan

from archspec.errors import Interrupted, RunError, SpecError
from search.supernet.plan import read_plan
from search.supernet.trained import TrainedSupernet, make_learner, train_supernet
from search.tasks.task import TrainingStep
from search.train.checkpoint import load_checkpoint
from search.train.loop import EpochRecord, TrainResult
from search.train.step import Stepper

CPU = torch.device("cpu")
PLAN = make_plan()
DATA = PLAN.data.load()


def train(plan, folder: Path, stop=lambda: False, progress=lambda record: None) -> TrainResult:
    return train_supernet(plan, DATA, CPU, folder=folder, stop=stop, progress=progress)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = load_checkpoint(folder / "checkpoint.pt", {})
    assert state is not None
    return {f"{part} {name}": tensor for part in ("model", "ema") for name, tensor in state[part].items()}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, TrainResult]:
    """A training without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    PLAN.write(folder)
    return folder, train(PLAN, folder)


def train_until_killed(folder: Path, steps: int) -> None:
    """Train, or go on, and end by SIGKILL before step number `steps` of this start."""
    left = [steps]

    def stop() -> bool:
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return False

    train(PLAN, folder, stop=stop)


def test_killed_five_times_it_ends_with_the_same_bits(whole, tmp_path):
    context = multiprocessing.get_context("fork")  # what is imported here need not be imported five times
    for steps in (1, 2, 4, 2, 0):  # in the first epoch, again, in the second, again, and at once
        process = context.Process(target=train_until_killed, args=(tmp_path, steps))
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL
    seen = list[EpochRecord]()
    result = train(PLAN, tmp_path, progress=seen.append)
    assert [record.epoch for record in seen] == [2]
    ours, theirs = weights(tmp_path), weights(whole[0])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    for one, other in zip(result.curve, whole[1].curve, strict=True):
        assert replace(one, seconds=0) == replace(other, seconds=0)


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"paths": 2, "sandwich": False, "distill": False}, 2),
        ({"paths": 1, "sandwich": True, "distill": False}, 3),
        ({"paths": 0, "sandwich": True, "distill": True}, 2),
    ],
)
def test_passes_of_a_step_are_the_layouts_that_were_asked_for(options, count):
    plan = make_plan(**options)
    learner = make_learner(plan, DATA, CPU).train()
    seen = []
    for loss in learner.passes(5, lambda answer: answer.sum()):
        seen.append(learner.supernet.active)
        loss(torch.ones(2, 10))
    ends = [plan.draws.largest, plan.draws.smallest] if plan.sandwich else []
    assert seen == [*ends, *plan.draws.draw(plan.seed, 5, plan.paths)]
    assert len(seen) == learner.pass_count == count


def test_gradient_of_a_step_is_the_mean_over_passes_and_others_learn_from_the_largest():
    images, labels = next(DATA.train.batches(8, seed=0, epoch=0, shuffle=False))
    loss = torch.nn.functional.cross_entropy
    learner = make_learner(PLAN, DATA, CPU).train()
    # Residual branches begin at zero: moved away, so that no gradient is zero for that reason.
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    recipe = PLAN.recipe.model_copy(update={"clip_grad": 0})
    step = TrainingStep(images, lambda answer, part: loss(answer, labels[part]))
    Stepper(learner, recipe, CPU).learn(step, 0.0, 9)
    found = {name: parameter.grad for name, parameter in learner.named_parameters()}

    learner.zero_grad()
    specs = [PLAN.draws.largest, PLAN.draws.smallest, *PLAN.draws.draw(PLAN.seed, 9, 1)]
    answers = []
    for spec in specs:
        learner.supernet.activate(spec)
        answers.append(learner.supernet(images))
    soft = answers[0].detach().softmax(1)
    losses = [loss(answers[0], labels), loss(answers[1], soft), loss(answers[2], soft)]
    (sum(losses) / 3).backward()
    for name, parameter in learner.named_parameters():
        if found[name] is None:
            assert parameter.grad is None, name
        else:
            torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-6, msg=name)


def test_a_layout_answers_as_the_network_that_is_cut_out_of_it(whole):
    supernet = TrainedSupernet(whole[0], DATA, CPU)
    spec = PLAN.draws.draw(0, 1, 1)[0]
    first, other = supernet.score(spec), supernet.score(PLAN.draws.smallest)
    assert first != other
    assert supernet.score(spec) == first  # whatever was asked between
    network = supernet.cut_out(spec)
    right = total = 0.0
    with torch.no_grad():
        for images, labels in DATA.validation.batches(34, seed=0, epoch=0, shuffle=False):
            logits = network(images.to(memory_format=torch.channels_last))
            right += (logits.argmax(1) == labels).sum().item()
            total += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
    assert right / 100 == first.accuracy
    assert total / 100 == pytest.approx(first.loss, abs=1e-6)


def test_the_last_epoch_scored_the_largest_layout(whole):
    supernet = TrainedSupernet(whole[0], DATA, CPU)
    last = whole[1].curve[-1]
    score = supernet.score(PLAN.draws.largest)
    assert (score.accuracy, score.loss) == (last.val_accuracy, pytest.approx(last.val_loss, abs=1e-6))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"budget": {"macs": "<= 10M"}}, "budget"),
        ({"seed": 4}, "seed"),
        ({"distill": False}, "distill"),
        ({"data": PLAN.data.model_copy(update={"seed": 1})}, "data"),
        ({"recipe": PLAN.recipe.model_copy(update={"lr": 0.001})}, "recipe"),
    ],
)
def test_a_supernet_of_something_else_is_refused_and_kept(whole, changes, field):
    kept = (whole[0] / "supernet.yaml").read_bytes()
    with pytest.raises(SpecError, match=rf"holds a supernet of another {field}; move it away to train anew"):
        make_plan(**changes).write(whole[0])
    assert (whole[0] / "supernet.yaml").read_bytes() == kept
    PLAN.write(whole[0])
    assert read_plan(whole[0]).fingerprint == PLAN.fingerprint


def test_what_is_not_trained_to_its_end_or_not_its_own_answers_nothing(whole, tmp_path):
    with pytest.raises(SpecError, match="holds no supernet"):
        TrainedSupernet(tmp_path, DATA, CPU)
    PLAN.write(tmp_path)
    calls = [STEPS - 1]

    def stop() -> bool:
        calls[0] -= 1
        return calls[0] < 0

    with pytest.raises(Interrupted, match="epoch 1 is saved"):
        train(PLAN, tmp_path, stop=stop)
    with pytest.raises(SpecError, match="after 1 of 2 epochs"):
        TrainedSupernet(tmp_path, DATA, CPU)
    (tmp_path / "supernet.yaml").write_text(make_plan(distill=False).dump())
    with pytest.raises(RunError, match="checkpoint of another run"):
        TrainedSupernet(tmp_path, DATA, CPU)
    (tmp_path / "supernet.yaml").write_text("paths: [")
    with pytest.raises(SpecError, match=r"supernet\.yaml: damaged"):
        TrainedSupernet(tmp_path, DATA, CPU)
