"""The smallest edit of a spec: against a look at everything around it, and what the command says."""

import json
import subprocess
import sys
from fractions import Fraction
from functools import partial

import pytest

from archspec.cost.measure import measure
from archspec.documents.reader import parse_document
from archspec.errors import SpecError
from archspec.loader import load, parse
from search.budget.fix import fix
from search.space.limits import parse_limits

SMALL = """
name: small
description: two stages
status: published
resolution: 32
stem: {type: hr_stem, width: 8}
stages:
  - {block: HR, depth: 2, width: 16, expansion: 2}
  - {block: T, depth: 2, width: 24, heads: 3, expansion: 2.5, downsample: irds_b}
head: {type: classifier, classes: 10, hidden: 32}
"""
MIXED = """
resolution: 32
stem: conv_stem
stages:
  - {block: HR, depth: 1, width: 16, expansion: 2}
  - {block: [CFFN, CFFN, {type: T, heads: 2}], depth: 2, width: 32, expansion: 4}
"""
# What `fix` may try on SMALL, written down by hand: half to twice, widths in steps of 8, those of T divisible by 3.
SHRINK = {
    "stages[0].depth": [1, 2],
    "stages[0].width": [8, 16],
    "stages[0].expansion": [1, 2],
    "stages[1].depth": [1, 2],
    "stages[1].width": [24],
    "stages[1].expansion": [1.5, 2, 2.5],
    "head.hidden": [16, 24, 32],
}
GROW = {
    "stem.width": [8, 16],
    "stages[0].depth": [2, 3, 4],
    "stages[0].width": [16, 24, 32],
    "stages[0].expansion": [2, 3, 4],
    "stages[1].depth": [2, 3, 4],
    "stages[1].width": [24, 48],
    "stages[1].expansion": [2.5, 3, 3.5, 4, 4.5, 5],
    "head.hidden": [32, 40, 48, 56, 64],
}


def spec(text=SMALL):
    return parse(parse_document(text, "spec.yaml"))


def edited(values):
    """SMALL with other values."""
    data = parse_document(SMALL, "spec.yaml").data
    for path, value in values.items():
        place, _, key = path.rpartition(".")
        node = data["stages"][int(place[7])] if place.startswith("stages") else data[place]
        node[key] = value
    return parse_document(json.dumps(data), "edited.json")


def edits(options, here):
    """Every edit: changed fields, the sum of relative changes, and the values."""
    out = [(0, Fraction(0), {})]
    for path, values in options.items():
        out = [
            (
                count + (value != here[path]),
                far + abs(Fraction(value) - Fraction(here[path])) / Fraction(here[path]),
                {**chosen, path: value},
            )
            for count, far, chosen in out
            for value in values
        ]
    return sorted(out, key=lambda edit: edit[:2])


@pytest.mark.parametrize(
    ("budget", "options"),
    [
        (["<= 600k"], SHRINK),
        (["<= 380k"], SHRINK),
        (["<= 450k", "params <= 13k"], SHRINK),
        (["params <= 15k"], SHRINK),
        (["activations@64 <= 100k"], SHRINK),
        ([">= 1.1M"], GROW),
        ([">= 1.5M", "params >= 60k"], GROW),
        (["saved_bytes >= 450KB"], GROW),
    ],
)
def test_no_smaller_edit_of_the_neighbourhood_meets_the_budget(budget, options):
    here = {path: values[-1] if options is SHRINK else values[0] for path, values in options.items()}
    box = parse_limits(budget)
    found = fix(spec(), box)
    changes = {change.path: change.after for change in found.changes}
    assert changes
    far = sum(abs(Fraction(after) - Fraction(here[path])) / Fraction(here[path]) for path, after in changes.items())
    assert all(value in options[path] for path, value in changes.items())
    for count, distance, values in edits(options, here):
        if (count, distance) >= (len(changes), far - Fraction(1, 10**6)):
            break  # no edit before this one met the budget
        assert not meets(parse(edited(values)), box), values
    assert meets(found.spec, box)
    assert found.spec.digest == parse(edited({**here, **changes})).digest


def meets(candidate, box):
    return all(
        limit.holds(getattr(measure(candidate, limit.metric.resolution or 32), limit.metric.name)) for limit in box
    )


def test_the_result_says_what_changed_what_it_costs_and_among_how_many():
    found = fix(spec(), parse_limits(["<= 400k"]))
    ((limit, before, after),) = found.costs
    assert (str(limit), before) == ("macs <= 400k @ 32", measure(spec()).macs)
    assert after == measure(found.spec).macs <= 400_000
    assert found.layouts == 2 * 2 * 2 * 2 * 3 * 3
    assert (found.spec.name, found.spec.status, found.spec.description) == ("small-fixed", "own", "")


def test_a_spec_inside_stays_as_it_is():
    found = fix(spec(), parse_limits(["<= 1G", "params >= 1"]))
    assert (found.changes, found.spec) == ((), spec())


def test_a_pattern_of_blocks_is_kept():
    paths = set()
    for budget in ("params <= 60k", "params <= 20k", "params >= 190k"):
        found = fix(spec(MIXED), parse_limits([budget]))
        kinds = [block.type for block in found.spec.stages[1].blocks]
        assert kinds == ["CFFN", "CFFN", "T"] * (len(kinds) // 3)
        paths |= {change.path for change in found.changes}
    assert {"stages[1].depth", "stages[1].width"} <= paths


def test_a_band_may_need_both_directions():
    found = fix(spec(), parse_limits(["900k..901k"]))
    assert 900_000 <= measure(found.spec).macs <= 901_000


def test_a_limit_at_a_resolution_counts_the_variant_there():
    small = spec(SMALL + 'variants: {64: {"stages[1].downsample.stride": 1}}\n')
    found = fix(small, parse_limits(["macs@64 <= 9M"]))
    assert measure(small, 64).macs > 9_000_000 >= measure(found.spec, 64).macs
    assert found.spec.variants == small.variants


@pytest.mark.parametrize(
    ("text", "budget", "message"),
    [
        (SMALL, ["<= 1k"], "--budget: no edit of small meets macs <= 1k @ 32: the cheapest has "),
        (SMALL, [">= 1G"], "--budget: no edit of small meets macs >= 1G @ 32: the dearest has "),
        (SMALL, ["<= 1M", "macs@32 >= 2M"], "--budget: macs <= 1M @ 32 and macs >= 2M @ 32 exclude each other"),
    ],
)
def test_a_budget_out_of_reach_is_refused_with_what_is_in_reach(text, budget, message):
    with pytest.raises(SpecError) as caught:
        fix(spec(text), parse_limits(budget))
    assert str(caught.value).startswith(message), str(caught.value)


def test_growth_stops_short_of_what_a_spec_may_be(monkeypatch):
    """Of twice all that SMALL has, and of 1.5 times, some layouts would have too many parameters."""
    assert fix(spec(), parse_limits([">= 1M"])).layouts > 1000
    for module in ("archspec.loader", "search.space.encoding"):
        monkeypatch.setattr(f"{module}.MAX_PARAMS", 60_000)
    found = fix(spec(), parse_limits([">= 800k"]))
    assert measure(found.spec).macs >= 800_000
    assert found.layouts < 1000


@pytest.fixture
def run(run):
    """Runs `archspec fix`."""
    return partial(run, "fix")


def test_the_command_prints_a_spec_with_what_it_did_above(run, tmp_path):
    code, out, _ = run("hiri-vit-s", "--budget", "<= 5G @ 448")
    assert code == 0
    lines = out.splitlines()
    assert lines[:2] == ["# stages[4].width: 512 -> 480", "# macs <= 5G @ 448: 5,058,964,864 -> 4,963,381,152"]
    assert lines[2].startswith("# 1 field changed; of the ")
    assert measure(parse(parse_document(out, "printed"))).macs == 4_963_381_152


def test_the_command_writes_a_file_and_says_so(run, tmp_path):
    path = tmp_path / "out.yaml"
    code, out, _ = run("tiny", "--budget", "<= 4M", "--budget", "params <= 300k", "--out", path)
    assert code == 0
    assert out.endswith(f"wrote {path}\n")
    assert not out.startswith("#")
    cost = measure(load(str(path)))
    assert cost.macs <= 4_000_000
    assert cost.params <= 300_000


def test_a_spec_that_meets_the_budget_is_said_to(run):
    code, out, _ = run("tiny", "--budget", "<= 1G")
    assert code == 0
    assert out.startswith("# macs <= 1G @ 64: 5,346,464 already\n")
    assert parse(parse_document(out, "printed")).digest == load("tiny").digest


def test_json_holds_changes_costs_and_the_spec(run):
    code, out, _ = run("tiny", "--budget", "<= 4M", "--json")
    assert code == 0
    data = json.loads(out)
    assert data["changes"]
    assert data["costs"][0]["before"] == measure(load("tiny")).macs
    fixed = parse(parse_document(json.dumps(data["spec"]), "spec.json"))
    assert measure(fixed).macs == data["costs"][0]["after"] <= 4_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny"], "archspec: --budget: is required, such as --budget '<= 5G @ 448'"),
        (["tiny", "--budget", "5G"], "archspec: --budget: '5G' is no limit: write '<= 5G'"),
        (["tiny", "--budget", "<= 5X"], "archspec: --budget: '<= 5X': unknown unit 'X'; known: k, M, G or T"),
        (["tiny", "--budget", "<= 1"], "archspec: --budget: no edit of tiny meets macs <= 1 @ 64: the cheapest has"),
        (["tiny", "--budget", "<= 4M", "--out", "/dev/null/place"], "archspec: /dev/null/place: cannot be written"),
        (["none.yaml", "--budget", "<= 4M"], "archspec: none.yaml: no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, arguments, message):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(message), err
    assert len(err.splitlines()) == 1


def test_fixing_needs_no_torch():
    code = "import sys, search.budget.fix, search.budget.confinement; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
