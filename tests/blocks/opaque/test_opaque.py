"""Modules that are not made of layers cost what the same block costs as a layer tree."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archspec.errors import FieldError, UncountedError
from archspec.model.audit import saved_bytes
from blocks.catalog import find_part
from blocks.layers.basic.conv import conv
from blocks.layers.combine import chain, residual
from blocks.layers.layer import Meter, Value
from blocks.opaque import measure_torch as run
from blocks.opaque.opaque import Opaque, opaque


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, forget):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path / "cache"))
    forget()
    yield tmp_path / "cache"
    forget()


def built(tag, width, **options):
    """A built-in block's module, of which nothing but the module is known."""
    return find_part(tag)(**options).layers(width).module()


class Function(nn.Module):
    """A module made of a function and two convolutions around it, one of which is the other."""

    def __init__(self, name, width=4):
        super().__init__()
        self.first = self.last = nn.Conv2d(width, width, 1)
        self.function = FUNCTIONS[name]

    def forward(self, x):
        return self.last(self.function(self.first(x)))


class Attend(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.mha = nn.MultiheadAttention(width, heads, batch_first=True)
        self.scale = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x):
        tokens = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.scale * self.mha(tokens, tokens, tokens)[0].transpose(1, 2).reshape(x.shape)


class Squeeze(nn.Module):
    """Batch norm on a vector, which cannot train on one image."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x):
        return x * self.norm(x.mean((2, 3))).sigmoid()[..., None, None]


def sdpa(x):
    tokens = x.flatten(2).transpose(1, 2)[:, None]
    return (
        F.scaled_dot_product_attention(tokens, tokens[:, :, :5], tokens[:, :, :5]).sum(1).transpose(1, 2).view(x.shape)
    )


FUNCTIONS = {
    "in place": lambda x: x.relu_(),
    "view": lambda x: x[:, :, 1:],
    "matmul": lambda x: x @ x.transpose(2, 3) @ x,
    "sdpa": sdpa,
    "sigmoid": torch.sigmoid,
    "fft": lambda x: torch.fft.rfft2(x).abs(),
    "einsum": lambda x: torch.einsum("nchw,nchw,c->nchw", x, x, x[0, :, 0, 0]),
    "two": lambda x: (x, x),
}


def trace(layer, shape, *, training=False):
    meter = Meter(training=training)
    out = meter.enter("at", layer, Value.new(shape))
    return out, meter


def by_place(meter):
    """Params, MACs and activations by module and operator, without what is nothing."""
    places = {}
    for line in meter.lines:
        counts = places.setdefault((line.path, line.operator), [0, 0, 0])
        for index, count in enumerate((line.params, line.macs, line.activations)):
            counts[index] += count
    return {place: counts for place, counts in places.items() if any(counts)}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("tag", "options"),
    [
        ("HR", {"expansion": 3}),
        ("CFFN", {"norm": "ln"}),
        ("T", {"heads": 2, "position": True}),
        ("T", {"heads": 3, "sr": 2, "ffn": "plain"}),
    ],
)
def test_a_block_costs_the_same_as_a_layer_tree_and_as_a_module(tag, options, training):
    tree = find_part(tag)(**options).layers(6)
    hidden = opaque(built, tag=tag, width=6, **options)
    for shape in [(6, 8, 8), (6, 5, 7)]:
        (a, ours), (b, theirs) = trace(tree, shape, training=training), trace(hidden, shape, training=training)
        assert a.shape == b.shape == shape
        assert by_place(ours) == by_place(theirs)
        assert sum(line.saved_bytes for line in ours.lines) == sum(line.saved_bytes for line in theirs.lines)
        assert theirs.lines[-1].shape == shape


def test_memory_is_kept_once_across_borders():
    width, shape = 6, (6, 8, 8)
    tree = find_part("CFFN")().layers(width)
    hidden = opaque(built, tag="CFFN", width=width)
    layers = [chain(a=conv(width, width), b=block, c=block, d=conv(width, width)) for block in (tree, hidden)]
    ours, theirs = (sum(line.saved_bytes for line in trace(layer, shape)[1].lines) for layer in layers)
    assert ours == theirs
    assert theirs == saved_bytes(layers[1].module().train(), torch.zeros(1, *shape, requires_grad=True))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", ["in place", "view", "matmul", "sdpa", "sigmoid"])
def test_functions_agree_with_fvcore_and_autograd(agree, name, training):
    agreement = agree(opaque(Function, name=name), (4, 6, 6), training=training)
    assert agreement.params == 4 * 4 + 4


def test_parts_that_return_no_tensor_and_weights_without_operator_agree(agree):
    agreement = agree(opaque(Attend, width=6, heads=2), (6, 4, 5))
    # Four projections of 20 tokens, two matmuls, a norm at 2 per element.
    assert agreement.macs == {"linear": 4 * 6 * 6 * 20, "bmm": 2 * 6 * 20 * 20, "batch_norm": 2 * 6 * 20}
    assert agreement.params == 4 * (6 * 6 + 6) + 2 * 6 + 6


def test_batch_norm_of_a_single_position_is_measured_on_more_images(agree):
    agreement = agree(opaque(Squeeze, width=6), (6, 3, 3), saves=False)
    # The input, the averages twice (as the norm's input and its output's sigmoid), the norm's statistics.
    assert agreement.saved_bytes == 4 * (6 * 9 + 6 + 6 + 2 * 6)
    two, three = (saved_bytes(Squeeze(6), torch.zeros(n, 6, 3, 3, requires_grad=True)) for n in (2, 3))
    assert agreement.saved_bytes == 2 * two - three


def test_attention_counts_as_its_two_matmuls():
    _, meter = trace(opaque(Function, name="sdpa"), (4, 6, 6))
    assert by_place(meter)["at", "scaled_dot_product_attention"] == [0, 2 * 36 * 5 * 4, 36 * 5 + 36 * 4]


@pytest.mark.parametrize(
    ("name", "operator"), [("fft", "aten::fft_rfft2"), ("einsum", "aten::einsum(nchw,nchw,c->nchw)")]
)
def test_an_operator_that_cannot_be_counted_is_named(name, operator):
    with pytest.raises(UncountedError) as caught:
        trace(opaque(Function, name=name), (4, 6, 6))
    assert caught.value.rule.startswith(f"operator {operator} of Function has no counting rule")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (opaque(Function, name="two"), r"^Function refuses a map of 4x6x6: TypeError: "),
        (opaque(Function, name="none"), r"Function cannot be built: KeyError: 'none'"),
        (opaque(Function, name="sigmoid", width=5), r"^Function refuses a map of 4x6x6: RuntimeError: Given groups=1"),
        (opaque(trace, layer=1, shape=1), r"trace cannot be built: TypeError: 'int' object is not iterable"),
        (opaque(by_place), r"by_place cannot be built: TypeError"),
        (opaque("tuple_of_nothing:make"), r"tuple_of_nothing:make cannot be imported: no module named"),
        (opaque("fractions:make"), r"^fractions has no module factory make"),
        (opaque("fractions:Fraction"), r"^fractions:Fraction must make a torch module, not Fraction"),
    ],
)
def test_a_module_that_does_not_fit_is_refused_in_one_line(layer, message):
    with pytest.raises(FieldError, match=message) as caught:
        trace(layer, (4, 6, 6))
    assert "\n" not in caught.value.rule


def test_a_refusal_is_remembered(monkeypatch):
    calls = []
    measure = run.measure
    monkeypatch.setattr(run, "measure", lambda *args, **kwargs: calls.append(args) or measure(*args, **kwargs))
    for _ in range(3):
        with pytest.raises(FieldError):
            trace(opaque(Function, name="sigmoid"), (5, 6, 6))
    assert len(calls) == 1


def test_a_shape_that_a_shortcut_cannot_keep_is_refused():
    with pytest.raises(FieldError, match=r"a residual branch must keep the shape \(4, 6, 6\), not give \(4, 5, 6\)"):
        trace(residual(opaque(Function, name="view")), (4, 6, 6))


@pytest.mark.parametrize(
    "factory",
    [
        lambda width: nn.Conv2d(width, width, 1),
        partial(built, tag="HR"),
        nn.Identity(),
        "no colon",
        "a.b",
        "a:b c",
        ":b",
        "a:",
        "os.path:1",
    ],
)
def test_a_factory_that_nobody_could_import_is_refused(factory):
    with pytest.raises(FieldError, match="module factory"):
        opaque(factory)


@pytest.mark.parametrize("value", [[1], {"a": 1}, float("nan"), object(), (1, [2])])
def test_options_are_plain_data(value):
    with pytest.raises(FieldError, match=r"option width of a module factory must be plain data"):
        opaque(built, width=value)


def test_an_opaque_layer_is_data():
    layer = opaque(Attend, width=6, heads=2)
    assert layer == Opaque(f"{__name__}:Attend", (("width", 6), ("heads", 2)))
    assert hash(layer) == hash(opaque(Attend, width=6, heads=2)) != hash(opaque(Attend, width=6, heads=3))


def test_the_answer_does_not_depend_on_who_asks(forget):
    layer, answers = opaque(Attend, width=6, heads=2), []
    worlds = [torch.no_grad(), torch.inference_mode(), torch.device("meta"), torch.autocast("cpu", torch.bfloat16)]
    for world in worlds:
        forget()
        torch.manual_seed(0)
        with world:
            answers.append(trace(layer, (6, 4, 4))[1].lines)
        assert torch.initial_seed() == 0
        assert torch.equal(torch.rand(3), torch.rand(3, generator=torch.Generator().manual_seed(0)))
    torch.set_default_dtype(torch.float64)
    try:
        forget()
        answers.append(trace(layer, (6, 4, 4))[1].lines)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(lines == answers[0] for lines in answers)
