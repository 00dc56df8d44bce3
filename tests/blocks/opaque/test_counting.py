"""The handles that replace fvcore's, against torch's own counter and against counting one by one."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from blocks.opaque.counting_torch import einsum_macs, tally


class Two(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, pair):
        return self.function(*pair)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((1, 3, 4), (7, 4, 5)),
        ((2, 1, 3, 4), (6, 4, 5)),
    ],
)
def test_a_matmul_that_broadcasts_is_exact(first, second):
    a, b = torch.zeros(first), torch.zeros(second)
    with FlopCounterMode(display=False) as mode:
        torch.matmul(a, b)
    counted = tally(Two(torch.matmul), ((a, b),))
    assert counted.macs[""] == {"matmul": mode.get_total_flops() // 2}


@pytest.mark.parametrize("equation", ["abc,abd->acd", "nhqd,nhkd->nhqk", "bhwc,hkc->bhwk", "...ij,...jk->...ik"])
def test_an_einsum_of_two_is_exact(equation):
    terms = equation.split("->")[0].split(",")
    sizes = {letter: 2 + index for index, letter in enumerate(sorted(set(equation) - set(",->.")))}
    a, b = (torch.zeros([2] * term.count("...") + [sizes[c] for c in term if c != "."]) for term in terms)
    with FlopCounterMode(display=False) as mode:
        out = torch.einsum(equation, a, b)
    macs = einsum_macs(equation, [list(a.shape), list(b.shape)], list(out.shape))
    assert macs == mode.get_total_flops() // 2
    counted = tally(Two(lambda x, y: torch.einsum(equation, x, y)), ((a, b),))
    assert counted.macs[""] == {"einsum": macs}
    assert not counted.uncounted


def test_large_einsums_are_not_rounded():
    shapes = [[7, 1234, 567], [7, 567, 1001]]
    assert einsum_macs("bij,bjk->bik", shapes, [7, 1234, 1001]) == 7 * 1234 * 567 * 1001


@pytest.mark.parametrize(
    ("equation", "macs"),
    [
        ("ij->ji", 0),
        ("ii->i", 0),
        ("ij,ij->ij", 0),
        ("i,j->ij", 0),
        ("ij,jk", None),
        ("ij,jk,kl->il", None),
        ("ii,ij->j", None),
        ("ij,jk->k", None),
        ("...i,...i->", None),
    ],
)
def test_einsums_without_a_sum_are_free_and_unknown_ones_are_unknown(equation, macs):
    shapes = [[4] * len(term.replace("...", "_")) for term in equation.partition("->")[0].split(",")]
    out = torch.einsum(equation, *(torch.zeros(shape) for shape in shapes)).shape
    assert einsum_macs(equation, shapes, list(out)) == macs


def test_innermost_modules_without_a_rule_come_first():
    model = nn.Sequential(nn.Sequential(nn.Identity(), Two(lambda x, y: torch.einsum("ij,jk,kl->il", x, y, y))))
    pair = (torch.zeros(3, 3), torch.zeros(3, 3))
    model[0][0] = nn.Identity()
    assert tally(model, (pair,)).uncounted[0] == ("0.1", "aten::einsum(ij,jk,kl->il)")
