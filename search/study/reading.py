"""The reading of studies: from a file, a bare space, a run, or a shipped one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from archspec.documents.kinds import SPACE, SPEC, refuse_kind
from archspec.documents.kinds import STUDY as STUDY_KIND
from archspec.documents.paths import place_of, suggest
from archspec.documents.reader import Document, read_document
from archspec.documents.safe_text import printable
from archspec.documents.shipped import Shelf
from archspec.edits.bases import ancestry, derive
from archspec.edits.draft import Draft
from archspec.edits.settings import Setting, apply_settings
from archspec.errors import FieldError, SpecError
from archspec.loader import find_document, parse
from archspec.spec.diagnosis import explain_config, known_fields
from search.evaluator import Evaluator
from search.sampler import Sampler
from search.space.holes import Scalar, has_holes
from search.space.space import Space, find_space_document, parse_space, spaces
from search.study.config import StudyConfig
from search.study.recorded import STUDY, find_asked, refuse_other_kind
from search.study.stated_resolution import check_resolution, spell_out

STUDIES = Shelf("study", "search.study", "studies")
HEADS = ("head", "family")
"""Holes whose options bring different heads."""


def studies() -> tuple[str, ...]:
    """Names of the shipped studies."""
    return STUDIES.names()


def load_study(source: str, runs: Path, asked: dict[str, Any], settings: Sequence[Setting] = ()) -> StudyConfig:
    """The study that `source` names, with the command line's options over it.

    Args:
        source: a run (its folder, or its name), a study file, a space file, or the name of a shipped study or space.
        runs: the folder of all runs.
        asked: options given on the command line.
        settings: `--set` of the command line, below `asked`.

    Raises:
        SpecError: nothing of these, or a rule is broken.
    """
    document, recorded = _find_study(source, runs)
    if not isinstance(document.data, dict):
        return parse_study(document)
    document = derive(document, _find_base, StudyConfig, {"space": _space_document})
    data = {**cast("dict[str, Any]", document.data), **asked}
    draft = Draft(replace(document, data=data), StudyConfig, {"space": _space_document})
    apply_settings(draft, [setting for setting in settings if setting.place not in {(key,) for key in asked}])
    return parse_study(draft.document, recorded=recorded)


def _find_study(source: str, runs: Path) -> tuple[Document, bool]:
    """The document of a study, and whether a run recorded it; a bare space becomes the study of it."""
    recorded = find_asked(STUDY, source, runs)
    if source in spaces():
        return Document({"space": source, "name": source}, source), False
    if recorded is None and source not in studies():
        refuse_other_kind(STUDY, source, runs)
    near = suggest(source, (*studies(), *spaces()))
    unknown = f"{source!r:.80} is no file, no shipped study or space{near} and no run in {runs}"
    document = read_document(recorded) if recorded else STUDIES.find(source, unknown)
    refuse_kind(document, STUDY_KIND, SPEC, SPACE)
    if not _is_space(document):
        return document, recorded is not None
    space = parse_space(document)
    known = {**space.document.lines, **space.document.origins}
    data = {"space": space.template, "name": space.name.replace(" ", "-")}
    return space.document.moved(data, ((("space", *place), place) for place in known)), False


def _is_space(document: Document) -> bool:
    """Whether a document, or what it stands over, is a space and not a study."""
    if not isinstance(document.data, dict):
        return False
    root = ancestry(document, _find_base)[-1].data
    return "space" not in document.data and "space" not in root and has_holes(root)


def _find_base(name: str) -> Document:
    """The study, or the space, that a file or the name of a shipped one gives."""
    if name in spaces() and not os.path.isfile(name):
        return find_space_document(name)
    return STUDIES.find(name, f"{name!r:.80} is no file and no shipped study{suggest(name, (*studies(), *spaces()))}")


def parse_study(document: Document, *, recorded: bool = False) -> StudyConfig:
    """The study in a document, over its `base` and with what its `set` changes.

    Args:
        document: a mapping.
        recorded: whether a run wrote it; of earlier versions some state what is refused now, and go on as they began.

    Raises:
        SpecError: a rule is broken; a space file is named relative to the study file.
    """
    if not isinstance(document.data, dict):
        refuse_kind(document, STUDY_KIND)
        raise SpecError("a study must be a mapping", source=document.source, line=1)
    refuse_kind(document, STUDY_KIND, SPEC, SPACE)
    document = derive(document, _find_base, StudyConfig, {"space": _space_document})
    data = dict(cast("dict[str, Any]", document.data))
    if "space" not in data:
        refuse_kind(document, STUDY_KIND)
        raise document.refuse((), "field space is required")
    space = _open_space(data["space"], document)
    data["space"] = space.template
    try:
        config = StudyConfig.model_validate(data)
    except ValidationError as error:
        raise explain_config(error, document, known_fields(StudyConfig)) from None
    try:
        if not recorded:
            check_resolution(document, space.document, "space", spaces())
        evaluator = spell_out(config.evaluator, space.template, space.fill(lambda hole: hole.options[0]).spec)
        evaluator = evaluator.over(space, config.budget)
        if config.rungs is not None and config.rungs.stated:
            evaluator = evaluator.with_epochs(config.rungs.stated)
        sampler = _settle_sampler(config, document)
        config = config.model_copy(update={"evaluator": evaluator, "sampler": sampler})
        _check_fit(config, space)
    except ValidationError as error:
        raise explain_config(error, document, known_fields(StudyConfig)) from None
    except FieldError as error:
        place = place_of(error) if error.field else ()
        if place and place[0] in type(config.evaluator).model_fields:  # what the evaluator itself was asked
            raise document.refuse(("evaluator", *place), error.rule) from None
        raise document.refuse(("space",), f"does not fit the evaluator: {error}") from None
    _check_anchors(config, document)
    _check_changes(config, document)
    _check_tables(config, space, document)
    return config


def _settle_sampler(config: StudyConfig, document: Document) -> Sampler:
    try:
        return config.sampler.over(config.evaluator)
    except FieldError as error:
        raise document.refuse(("sampler", *place_of(error)), error.rule) from None


def _check_anchors(config: StudyConfig, document: Document) -> None:
    for index, name in enumerate(config.final.anchors):
        place = ("final", "anchors", index)
        try:
            anchor = parse(find_document(name))
        except SpecError as error:
            raise error if error.line else document.refuse(place, str(error)) from None
        try:
            config.evaluator.prepare(anchor)
        except FieldError as error:
            rule = f"{error.field}: {error.rule}" if error.field else error.rule
            raise document.refuse(place, f"{printable(name)} does not fit the evaluator: {rule}") from None


def _check_changes(config: StudyConfig, document: Document) -> None:
    try:
        made = config.evaluator.finalist(config.final.changes)
        if config.final.start != "scratch":
            _check_start(config, made, document)
    except FieldError as error:
        raise document.refuse(("final", "changes", *place_of(error)), error.rule) from None


def _check_start(config: StudyConfig, made: Evaluator, document: Document) -> None:
    """Refuse finalists that do not begin as asked: without a supernet, or anchors that it lacks."""
    try:
        config.evaluator.fine_tuned(made)
    except FieldError as error:
        raise document.refuse(("final", *place_of(error)), error.rule) from None
    for index, name in enumerate(config.final.anchors):
        try:
            config.evaluator.check_held(parse(find_document(name)), config.open_space(), config.budget)
        except FieldError as error:
            rule = f"{printable(name)} cannot be cut out of this space's supernet: {error}"
            raise document.refuse(("final", "anchors", index), rule) from None


def _check_tables(config: StudyConfig, space: Space, document: Document) -> None:
    try:
        config.sampler.check_space(space)
    except (FieldError, SpecError) as error:
        raise document.refuse(("sampler",), error.rule) from None
    try:
        _ = config.confinement
    except (FieldError, SpecError) as error:
        if isinstance(error, FieldError) and error.field in ("evaluator", "nearest"):
            raise document.refuse(("evaluator", "nearest"), error.rule) from None
        rule = error.rule.replace("no layout", f"no layout of {space.name}", 1)
        raise document.refuse(("budget",), rule) from None


def _open_space(raw: Any, document: Document) -> Space:
    if isinstance(raw, dict):
        return parse_space(document.below("space"))
    if not isinstance(raw, str):
        raise document.refuse(("space",), f"must be a file, the name of a shipped space, or a space, not {raw!r:.40}")
    try:
        found = find_space_document(document.beside(raw, ("space",)))
    except SpecError as error:
        raise error if error.line else document.refuse(("space",), str(error)) from None
    return parse_space(found)


def _space_document(document: Document) -> Document:
    return _open_space(document.data["space"], document).document


def _check_fit(config: StudyConfig, space: Space) -> None:
    """Refuse a space whose layouts do not fit the evaluator, judged by one of them for each head or family."""
    config.evaluator.prepare(space.fill(lambda hole: hole.options[0]).spec)
    for chosen in space.holes:
        for option in chosen.options[1:] if chosen.path in HEADS else ():
            _check_option(config, space, chosen.path, option)


def _check_option(config: StudyConfig, space: Space, path: str, option: Scalar) -> None:
    try:
        layout = space.fill(lambda hole: option if hole.path == path else hole.options[0])
        config.evaluator.prepare(layout.spec)
    except SpecError:  # impossible with the first options of all else, perhaps not with others
        return
    except FieldError as error:
        if error.field == "head":
            raise FieldError("head", f"{error.rule} (with {path} {option!r:.40})") from None
