"""Specs scaled in proportion to a budget, and edits that say what lint finds new."""

import json

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError, UndecidedError
from archspec.lint.lint import lint
from archspec.loader import load, parse
from search.budget.fix import fix, new_findings
from search.budget.scale import read_dimensions, scale
from search.space.limits import parse_limits, settle

PRESETS = ("tiny", "hiri-vit-s", "pvtv2-b1", "resnet-50", "convnext-t", "davit-t")

RIGID = {("tiny", "depth"), ("tiny", "resolution"), ("pvtv2-b1", "depth"), ("davit-t", "resolution")}
"""Depths of 1, images no smaller than the strides or the windows allow."""


def findings(spec):
    return {(finding.rule, finding.place) for finding in lint(spec)}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize(
    ("dimensions", "share"), [("width", 0.6), ("width", 1.7), ("depth", 0.8), ("width,depth", 0.5), ("resolution", 0.7)]
)
def test_what_is_scaled_meets_the_budget_with_no_worse_lint(name, dimensions, share):
    spec = load(name)
    wanted = int(measure(spec).macs * share)
    limit = f"<= {wanted}" if share < 1 else f">= {wanted}"
    if (name, dimensions) in RIGID:
        with pytest.raises(SpecError, match=f"no factor on {dimensions} of {name} meets"):
            scale(spec, parse_limits([limit]), read_dimensions(dimensions))
        return
    found = scale(spec, parse_limits([limit]), read_dimensions(dimensions))
    macs = measure(found.spec).macs
    assert macs <= wanted if share < 1 else macs >= wanted
    new = findings(found.spec) - findings(spec)
    assert new == {(finding.rule, finding.place) for finding in found.findings}
    if not new:
        return
    # Only where no factor that meets the budget does without.
    for change in found.changes:
        assert change.before != change.after
    assert dimensions != "width"


def test_widths_are_scaled_in_proportion_and_heads_keep_their_channels():
    spec = load("hiri-vit-s")
    found = scale(spec, parse_limits(["<= 2.5G"]), ("width",))
    assert not found.findings
    for before, after in zip(spec.stages, found.spec.stages, strict=True):
        assert after.width % 8 == 0
        assert after.width / before.width == pytest.approx(found.factor, abs=0.13)
        assert (after.depth, after.blocks[0].expansion) == (before.depth, before.blocks[0].expansion)
    assert 2.2e9 < measure(found.spec).macs <= 2.5e9


def test_the_factor_is_the_nearest_to_one():
    spec = load("tiny")
    wanted = measure(spec).macs * 7 // 10
    found = scale(spec, parse_limits([f"<= {wanted}"]), ("width", "depth"))
    larger = [scale(spec, parse_limits([f">= {wanted + 1}", f"<= {measure(spec).macs - 1}"]), ("width", "depth"))]
    assert all(found.factor < one.factor < 1 for one in larger)


def test_a_spec_inside_is_not_scaled():
    spec = load("tiny")
    found = scale(spec, parse_limits(["<= 1G"]), ("width",))
    assert (found.spec, found.changes) == (spec, ())


@pytest.mark.parametrize(
    ("budget", "dimensions", "message"),
    [
        ("<= 1k", "width", "--budget: no factor on width of tiny meets macs <= 1k: the closest, 0."),
        ("<= 4M @ 64", "resolution", "--scale: resolution changes no cost where every limit"),
        ("<= 4M", "breadth", "--scale: must be width, depth or resolution, or several: width,depth, not 'breadth'"),
        ("<= 4M", "", "--scale: must be width, depth or resolution"),
        ("<= 4M", "width,width", "--scale: must be width, depth or resolution"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(budget, dimensions, message):
    with pytest.raises(SpecError) as caught:
        scale(load("tiny"), parse_limits([budget]), read_dimensions(dimensions))
    assert str(caught.value).startswith(message)


def test_the_command_scales_and_says_by_what(run):
    code, out, _ = run("fix", "hiri-vit-s", "--budget", "<= 3G", "--scale", "width", "--json")
    data = json.loads(out)
    assert (code, data["scale"]["of"], data["proven"], data["findings"]) == (0, ["width"], False, [])
    assert measure(parse(parse_document(json.dumps(data["spec"]), "spec.json"))).macs <= 3e9
    code, out, _ = run("fix", "hiri-vit-s", "--budget", "<= 3G", "--scale", "width")
    assert "# width times 0.755, the nearest to 1 that meets the budget, with no new finding of lint\n" in out


NARROW = """
name: narrow
resolution: 32
stem: {type: hr_stem, width: 16}
stages:
  - {block: HR, depth: 2, width: 32, expansion: 2}
  - {block: T, depth: 2, width: 64, heads: 2, expansion: 2, downsample: irds_b}
  - {block: T, depth: 2, width: 128, heads: 4, expansion: 2, downsample: irds_b}
head: {type: classifier, classes: 10, hidden: 32}
"""


def test_an_edit_says_what_lint_finds_new_and_prefers_none_among_as_many_fields():
    spec = parse(parse_document(NARROW, "narrow.yaml"))
    wanted = {share: f"params <= {measure(spec).params * share // 100}" for share in (92, 85, 75, 60, 50, 40)}
    clean = 0
    for text in wanted.values():
        found = fix(spec, parse_limits([text]))
        assert all(limit.holds(measure(found.spec).params) for limit in settle(parse_limits([text]), 32))
        assert found.findings == new_findings(found.spec, spec)
        clean += found.clean
        if found.clean:
            assert not [finding for finding in found.findings if finding.rule == "head-dimension"]
    assert clean


def test_a_narrow_band_ends_in_time_with_what_is_known(monkeypatch):
    spec, box = load("hiri-vit-s"), parse_limits(["3.0001G..3.0002G", "params 20.00001M..20.00002M"])
    with pytest.raises(UndecidedError) as caught:
        fix(spec, box, seconds=6)
    message = str(caught.value)
    assert message.startswith(
        "hiri-vit-s: not decided after 6 s of search (--timeout gives it longer); so far no edit of"
    )
    assert "the closest edit found changes" in message
    assert caught.value.exit_code == 1
    assert len(message.splitlines()) == 1
