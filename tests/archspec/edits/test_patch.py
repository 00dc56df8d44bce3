"""What edits by dotted path do to a spec, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archspec.edits.patch import canonical, clashing, patched
from archspec.errors import FieldError
from archspec.loader import load, presets
from archspec.spec.schema import ArchSpec

TINY = canonical(load("tiny"))


def edited(path, value, data=TINY) -> ArchSpec:
    return ArchSpec.model_validate(patched(data, path, value))


def test_a_kind_of_block_keeps_depth_and_the_options_that_it_knows():
    spec = edited("stages[3].block", "HR", patched(TINY, "stages[3].depth", 3))
    assert [block.type for block in spec.stages[3].blocks] == ["HR"] * 3
    assert [block.expansion for block in spec.stages[3].blocks] == [4] * 3
    again = edited("hr.norm", "ln", patched(TINY, "stages[3].block", "HR"))  # options left at defaults are there too
    assert again.stages[3].blocks[0].norm == "ln"
    assert spec.stages[3].downsample == load("tiny").stages[3].downsample


def test_a_kind_of_block_may_bring_options_and_a_list_states_the_blocks():
    spec = edited("stages[3].block", {"type": "T", "sr": 2, "heads": 4})
    assert (spec.stages[3].blocks[0].sr, spec.stages[3].blocks[0].heads) == (2, 4)
    mixed = edited("stages[3].block", ["HR", {"type": "T", "heads": 2}, "CFFN"])
    assert [block.type for block in mixed.stages[3].blocks] == ["HR", "T", "CFFN"]


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("stem", "conv_stem", lambda s: s.stem.type == "conv_stem"),
        ("stem", {"type": "conv_stem", "width": 24}, lambda s: s.stem.width == 24),
        ("stem.width", 24, lambda s: s.stem.width == 24),
        ("resolution", 96, lambda s: s.resolution == 96),
        ("drop_path", 0.1, lambda s: s.drop_path == 0.1),
        ("stages[2].depth", 2, lambda s: s.stages[2].depth == 2),
        ("stages[2].expansion", 2, lambda s: s.stages[2].blocks[0].expansion == 2),
        ("stages[2].block.expansion", 2, lambda s: s.stages[2].blocks[0].expansion == 2),
        ("stages[2].downsample", "irds_b", lambda s: s.stages[2].downsample.type == "irds_b"),
        ("t.ffn", "plain", lambda s: {b.ffn for i in (3, 4) for b in s.stages[i].blocks} == {"plain"}),
        ("stages[1]", {"block": "CFFN", "depth": 2, "width": 32}, lambda s: s.stages[1].depth == 2),
        (
            "stages",
            [{"block": "HR", "width": 16}, {"block": "CFFN", "width": 32}],
            lambda s: [stage.width for stage in s.stages] == [16, 32],
        ),
    ],
)
def test_what_a_path_means(path, value, read):
    before = canonical(load("tiny"))
    assert read(edited(path, value))
    assert before == TINY  # a copy: other rows of the plan begin from the same base


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("stagse[0].block", "HR", r"does not exist \(did you mean stages\?\)"),
        ("stages[7].block", "HR", r"does not exist: stages has 5 entries \(the nearest path is stages\[4\].block\)"),
        ("stages.block", "HR", r"stages is a list \(the nearest path is stages\[0\].block\)"),
        ("stages[1].expansoin", 2, r"did you mean expansion\?"),
        ("stages[1].block", "HRR", r"must be .*HR.*T.*, not 'HRR' \(did you mean HR\?\)"),
        ("stages[1].depth", -1, r"whole number from 0 to 512, not -1"),
        ("stages[1].depth", 2.0, r"not 2.0 \(did you mean 2\?\)"),
        ("stages", [], r"must be a list of stages, not a list"),
        ("stages[1]", "HR", r"must be a stage, such as \{block: HR"),
        ("stages[1]", {"block": "HR", "wdith": 3}, r"wdith: unknown field \(did you mean width\?\)"),
        ("t", 3, r"must go on to a field of T, such as T\."),
        ("irds_b.expansoin", 3, r"did you mean expansion\?"),
        ("patch_stem.norm", "bn", r"no part is a patch_stem"),
        ("stem.", 1, r"is not a dotted path"),
    ],
)
def test_what_is_refused(path, value, message):
    with pytest.raises(FieldError, match=message) as caught:
        patched(TINY, path, value)
    assert caught.value.field == path


def test_the_depth_of_a_mixed_stage_repeats_its_pattern():
    mixed = ArchSpec.model_validate(patched(TINY, "stages[3].block", ["HR", "CFFN"]))
    deeper = ArchSpec.model_validate(patched(canonical(mixed), "stages[3].depth", 3))
    assert [block.type for block in deeper.stages[3].blocks] == ["HR", "CFFN"] * 3
    swin = ArchSpec.model_validate(patched(canonical(load("swin-t")), "stages[2].depth", 9))
    assert swin.stages == load("swin-s").stages
    with pytest.raises(FieldError, match=r"stages\[2\].depth.*2 blocks are 1024; a stage holds at most 512"):
        patched(canonical(swin), "stages[2].depth", 512)


@pytest.mark.parametrize(
    ("base", "block", "kinds"),
    [
        ("swin-t", ["Swin", "T"], ["Swin", "T"] * 3),
        ("davit-t", "davit_spatial", ["davit_spatial"] * 6),
        ("swin-t", ["Swin", "Swin", "T"], ["Swin", "Swin", "T"] * 2),
        ("swin-t", ["Swin", "T", "T", "T"], ["Swin", "T", "T", "T"]),
        ("hrnet-w18", ["basic", "bottleneck"], ["basic", "bottleneck"] * 2),
        ("hrnet-w18", "bottleneck", ["bottleneck"] * 4),
    ],
)
def test_other_blocks_are_as_many_as_before_where_that_comes_out_even(base, block, kinds):
    spec = ArchSpec.model_validate(patched(canonical(load(base)), "stages[2].block", block))
    sequences = [spec.stages[2].blocks] if spec.stages else [one.blocks for one in spec.branched[2].branches]
    assert [[block.type for block in blocks] for blocks in sequences] == [kinds] * len(sequences)


PYRAMIDS = [name for name in presets() if load(name).topology == "pyramid"]


@given(st.sampled_from(PYRAMIDS), st.data())
def test_putting_back_what_stands_there_changes_nothing(name, data):
    spec = load(name)
    whole = canonical(spec)
    index = data.draw(st.integers(0, len(spec.stages) - 1))
    path, value = data.draw(
        st.sampled_from(
            [
                ("stem", whole["stem"]),
                ("head", whole["head"]),
                ("drop_path", spec.drop_path),
                (f"stages[{index}].block", [dict(b) for b in whole["stages"][index]["blocks"]]),
                (f"stages[{index}].width", spec.stages[index].width),
                (f"stages[{index}].downsample", whole["stages"][index]["downsample"]),
            ]
        )
    )
    assert edited(path, value, whole).digest == spec.digest


def test_clashes_are_found_through_every_way_to_name_a_field():
    def clash(one, other):
        return clashing(TINY, dict.fromkeys(one, 1), dict.fromkeys(other, 1))

    assert clash(["stem"], ["stem.width"]) == "stem"
    assert clash(["drop_path", "stages[3].block"], ["t.ffn"]) == "stages[3].block"
    assert clash(["stages[1].expansion"], ["stages[1].depth"]) == "stages[1].expansion"
    assert clash(["stages"], ["irds_a.expansion"]) == "stages"
    assert clash(["stages[1].width"], ["stages[2].width"]) == ""
    assert clash(["stem"], ["stages", "head"]) == ""


HRNET = canonical(load("hrnet-w18"))


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("stages[3].widths", [18, 36, 72, 160], lambda s: s.branched[3].widths == (18, 36, 72, 160)),
        ("stages[2].modules", 2, lambda s: s.branched[2].modules == 2),
        ("stages[1].depth", 2, lambda s: [branch.depth for branch in s.branched[1].branches] == [2, 2]),
        ("stages[1].depths", [1, 3], lambda s: [branch.depth for branch in s.branched[1].branches] == [1, 3]),
        ("stages[1].block", "hrformer_block", lambda s: s.branched[1].branches[0].blocks[0].type == "hrformer_block"),
        ("stages[3].branches[3].width", 160, lambda s: s.branched[3].widths[-1] == 160),
        ("fuse.depthwise", True, lambda s: all(stage.fuse.depthwise for stage in s.branched[1:])),
        ("stages[2].fuse.paths", [[1, 0], [0, 1]], lambda s: s.branched[2].fuse.paths == ((0, 1), (1, 0))),
        ("fuse.paths", [[0, 1]], lambda s: [stage.fuse.paths for stage in s.branched[1:]] == [((0, 1),)] * 3),
        ("stages[1].fuse", {"type": "fuse", "paths": [[0, 1]]}, lambda s: s.branched[1].fuse.paths == ((0, 1),)),
        ("stages[1].fuse.paths", None, lambda s: s == load("hrnet-w18")),
        ("stem", "conv_stem", lambda s: s.stem.type == "conv_stem"),
    ],
)
def test_edits_of_parallel_branches(path, value, read):
    data = patched(HRNET, path, value)
    if path == "stages[3].branches[3].width":
        data = patched(data, "head", None)
    assert read(ArchSpec.model_validate(data))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("stages[1].expansoin", 2, "does not exist"),
        ("stages[1].width", 20, r"does not exist \(did you mean widths\?\)"),
        ("stages[1].widths", [20, 36, 40], "."),
        ("stages[9].modules", 2, r"the nearest path is stages\[3\].modules"),
        ("stages[1].branches[4].width", 2, "branches has 2 entries"),
        ("stages[1]", "basic", "must be a stage"),
        ("stages[1].fuse.path", [[0, 1]], r"does not exist \(did you mean paths\?\)"),
        ("stages[1].fuse.paths[0]", [0, 1], r"stages\[1\].fuse.paths is None"),
        ("stages[0].fuse.paths", [[0, 1]], r"stages\[0\].fuse is None"),
    ],
)
def test_what_is_refused_of_parallel_branches(path, value, message):
    with pytest.raises(FieldError, match=message):
        patched(HRNET, path, value)


@pytest.mark.parametrize(
    ("edits", "read"),
    [
        ([("stages[1].depth", 2), ("stages[1].modules", 3)], lambda s: (s.modules, s.branches[0].depth) == (3, 2)),
        ([("stages[1].block", "hrformer_block"), ("hrformer_block.expansion", 2)], lambda s: _first(s).expansion == 2),
        ([("stages[1].depth", 2), ("fuse.depthwise", True)], lambda stage: stage.fuse.depthwise),
        ([("stages[1].fuse", None), ("stages[1].fuse", "fuse")], lambda stage: stage.fuse.type == "fuse"),
        (
            [("stages[1].branches[0].blocks[0]", "hrformer_block"), ("hrformer_block.heads", 3)],
            lambda s: _first(s).heads == 3,
        ),
        ([("stages[1].blocks", ["basic", "hrformer_block"])], lambda s: s.branches[1].blocks[0].type[:2] == "hr"),
        ([("stages[1].final_norm", "ln")], lambda stage: stage.branches[0].final_norm == "ln"),
    ],
)
def test_a_stage_of_branches_can_be_edited_again(edits, read):
    data = HRNET
    for path, value in edits:
        data = patched(data, path, value)
    assert read(ArchSpec.model_validate(data).branched[1])


def _first(stage):
    return stage.branches[0].blocks[0]


def test_what_is_impossible_already_is_named_by_a_later_edit():
    broken = patched(HRNET, "stages[1]", {"branches": 3})
    with pytest.raises(FieldError, match=r"stages\[1\].depth: cannot be set in what is impossible already: .*branches"):
        patched(broken, "stages[1].depth", 2)


def test_branches_clash_with_branches_and_not_with_what_a_stage_has_once():
    assert clashing(HRNET, {"stages[1].depth": 2}, {"stages[1].modules": 2}) == ""
    assert clashing(HRNET, {"stages[1].depth": 2}, {"stages[1].block": "basic"}) == "stages[1].depth"
    assert clashing(HRNET, {"stages[1].depth": 2}, {"basic.drop_path": 0}) == "stages[1].depth"
    assert clashing(HRNET, {"stages[1]": {}}, {"stages[1].fuse": None}) == "stages[1]"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("stem.widht", "stem.widht: does not exist (did you mean width?)"),
        ("head.hiden.x", "head.hiden.x: head.hiden does not exist (did you mean hidden?)"),
        (
            "irds_a.expansoin",
            "irds_a.expansoin: stages[1].downsample.expansoin does not exist (did you mean expansion?)",
        ),
    ],
)
def test_a_path_is_named_once(path, message):
    with pytest.raises(FieldError) as caught:
        patched(TINY, path, 2)
    assert str(caught.value) == message


def test_an_edit_of_an_option_that_an_earlier_edit_left_out():
    data = patched(patched(HRNET, "stages[2].fuse", "fuse"), "stages[2].fuse.paths", [[0, 1]])
    data = patched(data, "stages[2].fuse.paths[0]", [1, 0])
    assert ArchSpec.model_validate(data).branched[2].fuse.paths == ((1, 0),)
    assert "paths" not in HRNET["stages"][2]["fuse"]
