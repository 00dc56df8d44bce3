"""The lists of torch's operators: complete, true of what fvcore and the handles count, and as the docs show them."""

import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from fvcore.nn import FlopCountAnalysis
from torch import nn

from archspec.cost.conventions import KINDS
from blocks.opaque.counting_torch import _elementwise_rules, _rules, tally
from blocks.opaque.operators import COUNTED, FREE, REFUSED, is_free, refusal

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "counting.md"
NOT_OF_A_BLOCK = re.compile(
    r"_.*|.*backward.*|.*_copy|.*loss.*|(sparse|quantized|mkldnn|cudnn|miopen|fbgemm|sym|is|q|to|native|fake_quantize"
    r"|fused|quantize|unflatten_dense|batch_norm|resize|copy_sparse|set|retain)_.*"
    r"|.*(cross_entropy.*|_tensors|_stats|_indices|_forward|_jvp|_functional)|slow_conv.*|thnn_conv2d|kl_div"
    r"|grid_sampler_.d|conv\dd|conv_transpose\dd|conv_depthwise3d|convolution.*|hash_tensor|h?smm|hspmm|sspaddmm"
    r"|(can|get|pin|promote|result|record|requires|retains|output|storage|from|int|choose)_.*|empty_quantized"
    r"|rrelu_with_noise_?|embedding_renorm_?|linalg__powsum|coalesce|data|dense_dim|dequantize|indices|nested_.*|qscheme|resize|set|stride|values"
)
"""Names of torch that no forward pass records: of gradients, losses, backends, sparse and quantized tensors."""


def listed(table):
    return {name: kind for kind, names in table.items() for name in names.split()}


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def count(function, *shape):
    found = tally(Apply(function).eval(), torch.rand(shape))
    return dict(found.macs[""]), found.uncounted


def test_every_operator_of_torch_is_in_one_list():
    names = {one.partition("::")[2].partition(".")[0] for one in torch._C._dispatch_get_all_op_names() if "aten" in one}
    lists = [listed(table) for table in (FREE, COUNTED, REFUSED)]
    assert sum(map(len, lists)) == sum(
        len(text.split()) for table in (FREE, COUNTED, REFUSED) for text in table.values()
    )
    known = set().union(*lists)
    assert len(known) == sum(map(len, lists))
    assert {name for name in known if name not in names and f"{name}_" not in names} == set()
    left = {name for name in names if name not in known and name.removesuffix("_") not in known}
    assert {name for name in left if not NOT_OF_A_BLOCK.fullmatch(name)} == set()


def test_what_is_listed_as_counted_has_a_rule_and_a_kind_and_nothing_else_has():
    theirs = FlopCountAnalysis(nn.Identity(), torch.zeros(1))._op_handles
    handles = {name.removeprefix("aten::") for name in theirs} | _rules().keys() | _elementwise_rules().keys()
    assert handles - {"linalg_norm"} == set(listed(COUNTED))  # which is free unless it is refused
    assert set(KINDS) >= set(listed(COUNTED)) - {"_convolution", "_convolution_mode"}


def test_the_docs_show_the_lists():
    text = re.sub(r"\n {2}", " ", DOCS.read_text())
    rows = dict(re.findall(r"^- \*\*(.+?)\*\*(?: \([^)]*\))?: (`.*`)$", text, flags=re.MULTILINE))
    shown = {kind: re.findall(r"`([^`]+)`", names) for kind, names in rows.items()}
    assert shown == {kind: names.split() for kind, names in {**COUNTED, **FREE, **REFUSED}.items()}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * x.norm(dim=(2, 3), keepdim=True),
        lambda x: F.normalize(x, dim=1),
        lambda x: torch.linalg.norm(x, dim=1),
        lambda x: torch.linalg.norm(x, dim=(2, 3)),
        lambda x: x.clamp_min(0.1).square().ceil().sign().round(),
        lambda x: F.glu(F.selu(F.celu(x)), 1),
        lambda x: F.threshold(F.logsigmoid(x), 0.1, 0.0),
        lambda x: F.selu(x.clone(), inplace=True),
        lambda x: x.topk(2, 1)[0].sort(1)[0].cumsum(1).triu(),
        lambda x: x.argmax(1, keepdim=True).float() + x.logsumexp(1, keepdim=True),
        lambda x: torch.stack((x.var(1), x.std(1))),
        lambda x: F.adaptive_max_pool2d(x, 1),
        lambda x: F.local_response_norm(F.avg_pool2d(x, 2), 3),
        lambda x: F.fold(F.unfold(x, 3), (6, 6), 3),
        lambda x: torch.outer(x.flatten(), x.flatten()),
        lambda x: torch.zeros_like(x).scatter_add_(1, x.long(), x),
        lambda x: F.gumbel_softmax(x, dim=1) + F.one_hot((x > 0.5).long(), 6).sum(-1),
        lambda x: x.lerp(x.nan_to_num(), 0.5).addcmul(x, x),
        lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"),
    ],
)
def test_what_is_free_is_free(function):
    assert count(function, 2, 8, 6, 6) == ({}, ())


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x: F.rms_norm(x, (6,)), {"rms_norm": 2 * 576}),
        (lambda x: F.rms_norm(x, (6,), torch.ones(6)), {"rms_norm": 3 * 576}),
        (lambda x: F.layer_norm(x, (6,), torch.ones(6), torch.ones(6)), {"layer_norm": 5 * 576}),
        (lambda x: F.layer_norm(x.reshape(2, 2, 2, 2, 2, 3, 6), (6,)), {"layer_norm": 4 * 576}),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), {"upsample_bicubic2d": 16 * 4 * 576}),
        (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), {"upsample_bilinear2d": 4 * 4 * 576}),
        (lambda x: F.interpolate(x[:, None], scale_factor=2, mode="trilinear"), {"upsample_trilinear3d": 8 * 8 * 576}),
        (lambda x: F.interpolate(x[:, :, 0], scale_factor=2, mode="linear"), {"upsample_linear1d": 2 * 192}),
        (lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"), {"_upsample_nearest_exact2d": 4 * 576}),
        (lambda x: F.interpolate(x[:, :, 0], scale_factor=2), {"upsample_nearest1d": 192}),
        (lambda x: F.adaptive_avg_pool1d(x[:, :, 0], 2), {"adaptive_avg_pool1d": 96}),
        (lambda x: F.conv2d(x, torch.ones(4, 8, 3, 3), padding="same"), {"conv": 2 * 4 * 8 * 9 * 36}),
        (lambda x: F.conv2d(x, torch.ones(8, 1, 3, 3), padding="valid", groups=8), {"conv": 2 * 8 * 9 * 16}),
        (lambda x: F.conv_transpose3d(x[:, None], torch.ones(1, 2, 3, 3, 3)), {"conv": 2 * 2 * 27 * 288}),
        (lambda x: x.reshape(-1, 6).mv(torch.ones(6)), {"mv": 576}),
        (lambda x: x.flatten().dot(x.flatten()), {"dot": 576}),
        (lambda x: torch.inner(x, torch.ones(5, 6)), {"inner": 5 * 576}),
        (lambda x: torch.tensordot(x, torch.ones(6, 6, 3), 2), {"tensordot": 3 * 576}),
        (lambda x: torch.tensordot(x, torch.ones(3), 0), {}),
        (lambda x: torch.linalg.vecdot(x, x, dim=1), {"linalg_vecdot": 576}),
        (
            lambda x: torch.baddbmm(torch.ones(16, 6, 5), x.reshape(16, 6, 6), torch.ones(16, 6, 5)),
            {"baddbmm": 5 * 576},
        ),
        (lambda x: torch.addbmm(torch.ones(6, 5), x.reshape(16, 6, 6), torch.ones(16, 6, 5)), {"addbmm": 5 * 576}),
        (lambda x: torch.addmv(torch.ones(96), x.reshape(96, 6), torch.ones(6)), {"addmv": 576}),
    ],
)
def test_what_multiplies_and_adds_is_counted(function, macs):
    assert count(function, 2, 8, 6, 6) == (macs, ())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fft_rfft2", "Fourier transforms"),
        ("lstm", "recurrent cells"),
        ("cdist", "distances and similarities of all pairs"),
        ("linalg_solve", "linear algebra"),
    ],
)
def test_a_refusal_says_what_the_operator_is(name, kind):
    assert not is_free(f"aten::{name}")
    assert refusal(f"aten::{name}") == f"has no counting rule: {kind} multiply and add by an algorithm of their own"


def test_operators_that_work_in_place_are_as_free_as_the_others():
    assert is_free("aten::relu_")
    assert is_free("aten::__and__")
    assert not is_free("relu")
    assert not is_free("prim::PythonOp")
    assert refusal("own::op").startswith("has no counting rule, and is not among the free ones")
    assert tally(nn.LSTM(6, 4), torch.rand(5, 2, 6)).uncounted == (("", "aten::lstm"),)
