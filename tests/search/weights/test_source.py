"""Names of weights: files, members of runs, and what is refused in one line."""

from pathlib import Path

import pytest
import torch
from small_layouts import layout, network, same, write_run, write_training

from archspec.errors import SpecError
from archspec.loader import dump
from archspec.model.weights import save
from search.weights.initial import InitialWeights, begin
from search.weights.reading import outline, read_weights
from search.weights.source import find_source

SMALL = network(layout())
OTHER = network(layout(stem={"type": "patch_stem"}, drop_path=0.1), seed=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "demo"
    write_run(root, SMALL, OTHER)
    write_training(root / "artifacts" / OTHER.spec.digest / "final-seed1", network(OTHER.spec, seed=9))
    front = root / "report" / "front"
    front.mkdir(parents=True)
    (front / "01-code.yaml").write_text(dump(OTHER.spec.model_copy(update={"name": "demo-01"})))
    return root


def test_a_member_is_named_by_trial_digest_its_beginning_training_or_the_spec_of_the_report(run: Path):
    digest = OTHER.spec.digest
    members = ["1", digest, digest[:6], "1/search-seed0", f"artifacts/{digest}", f"artifacts/{digest}/search-seed0"]
    for member in (*members, f"artifacts/{digest}/search-seed0/checkpoint.pt", "report/front/01-code.yaml"):
        weights = read_weights(f"{run}/{member}")
        assert weights.spec is not None
        assert weights.spec.digest == digest, member
        assert all(torch.equal(weights.state[name], tensor) for name, tensor in OTHER.state_dict().items()), member


def test_a_run_of_one_layout_needs_no_member(tmp_path: Path):
    write_run(tmp_path / "one", SMALL)
    assert find_source(str(tmp_path / "one")).path == find_source(str(tmp_path / "one" / "0")).path


def test_files_of_every_kind_hold_the_same_weights(tmp_path: Path):
    state = SMALL.state_dict()
    save(SMALL, tmp_path / "pair.safetensors")
    torch.save(state, tmp_path / "plain.pt")
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "timm.pth")
    known = []
    for name in ("pair.safetensors", "pair.yaml", "plain.pt", "timm.pth"):
        weights = read_weights(str(tmp_path / name))
        known.append(weights.spec is not None)
        again = begin(layout(), InitialWeights(weights=str(tmp_path / name)), zero_init_residual=True, weights=weights)
        assert same(again.network, SMALL), name
        assert again.share == 1
    assert known == [True, True, False, False]


def test_a_file_that_changes_is_outlined_anew(tmp_path: Path):
    path = tmp_path / "weights.pt"
    torch.save({"a": torch.zeros(2)}, path)
    assert list(outline(str(path)).state) == ["a"]
    torch.save({"b": torch.zeros(2), "c": torch.zeros(1)}, path)
    found = outline(str(path))
    assert list(found.state) == ["b", "c"]
    assert found.state["b"].is_meta


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("demo", r"is a run of 2 layouts: name one by its trial or digest, such as .*demo/[0-9a-f]{16}$"),
        ("demo/7", r"no trial 7: .* has 2 trials, numbered from 0"),
        ("demo/00zz", r"has no layout '00zz': a member is the number of a trial or the digest of a layout"),
        ("demo/1/final-seed9", r"no training 'final-seed9': there are final-seed1, search-seed0"),
        ("nowhere/3", r"no such file, and not of the form RUN/MEMBER \(runs/demo/12\) or timm:NAME"),
        ("text.pt", r"cannot be read as a state dict: it is not a file that torch.save wrote"),
        ("empty.safetensors", r"cannot be read as a state dict: not a safetensors file: it is empty"),
        ("lonely.yaml", r"is a spec, with no weights beside it \(lonely.safetensors\) and of no run"),
    ],
)
def test_bad_names_are_refused_in_one_line(run: Path, name: str, rule: str):
    folder = run.parent
    (folder / "text.pt").write_text("hello\n")
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "lonely.yaml").write_text(dump(SMALL.spec))
    with pytest.raises(SpecError, match=rule) as caught:
        read_weights(str(folder / name))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(folder / name))


def test_a_damaged_training_and_one_of_another_layout(tmp_path: Path):
    write_run(tmp_path / "demo", SMALL)
    folder = tmp_path / "demo" / "artifacts" / SMALL.spec.digest
    (folder / "spec.yaml").write_text(dump(OTHER.spec))
    with pytest.raises(SpecError, match=f"holds weights of digest {SMALL.spec.digest}, the spec of its layout has"):
        read_weights(f"{tmp_path}/demo/0")
    path = folder / "search-seed0" / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SpecError, match=r"checkpoint\.pt is no checkpoint that can be read"):
        read_weights(f"{tmp_path}/demo/0")


def test_timms_models_are_refused_with_the_nearest_name_or_the_extra():
    from importlib.util import find_spec

    rule = "timm has no model 'resnet181' .did you mean resnet18" if find_spec("timm") else "pip install .*timm"
    if find_spec("timm"):
        from extras import need

        need("timm")
    with pytest.raises(SpecError, match=rule):
        read_weights("timm:resnet181")
    with pytest.raises(SpecError, match="names no model"):
        read_weights("timm:")


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (torch.tensor([1.0, float("nan")]), "stem.bias holds a value that is no finite number"),
        (torch.tensor([1j]), "stem.bias is complex: weights must be real numbers"),
    ],
)
def test_weights_that_no_network_computes_with_are_refused(value: torch.Tensor, rule: str, tmp_path: Path):
    torch.save({"stem.bias": value}, tmp_path / "w.pt")
    with pytest.raises(SpecError, match=rule):
        read_weights(str(tmp_path / "w.pt"))


def test_a_pickle_in_place_of_a_checkpoint_is_refused_without_advice_to_run_it(tmp_path: Path):
    from search.weights.reading import _training_state  # pyright: ignore[reportPrivateUsage]

    torch.save({"ema": Path("x")}, tmp_path / "checkpoint.pt")
    with pytest.raises(SpecError, match=r"can be read: it holds more than tensors and numbers$"):
        _training_state(tmp_path / "checkpoint.pt", None)
