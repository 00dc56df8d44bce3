"""The engine of one machine, and how engines are named: by tag, by file, in Python."""

from typing import Literal, final

import pytest

import archspec
from archspec.documents.reader import Document
from archspec.errors import SpecError
from search.engines.local import LocalEngine
from search.evaluators.function import FunctionEvaluator
from search.run.conductor import Conductor
from search.run.pools.engine import Engine, load_engine, settle
from search.run.pools.in_process import InProcessPool
from search.run.pools.probe import check_engine_works
from search.run.pools.workers import ProcessPool
from search.run.run import conduct
from search.study.reading import parse_study

SPACE = {
    "name": "toy",
    "resolution": 16,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}


def accuracy(spec, seed):
    return 0.3 + int(spec.digest, 16) % 97 / 300


def test_an_engine_is_named_by_its_tag_by_a_file_or_as_a_mapping(tmp_path):
    path = tmp_path / "here.yaml"
    path.write_text("type: local\nworkers: 3\n")
    assert load_engine(None) == load_engine({"type": "local"}) == LocalEngine()
    assert load_engine(path) == load_engine(str(path))
    assert load_engine(path).workers == load_engine({"type": "local", "workers": 3}).workers == 3
    assert (load_engine(path).option, load_engine(None).option) == (["--engine", str(path)], [])
    assert settle(load_engine(path), None, {}, ())[1] == 3
    assert settle(load_engine(path), 2, {}, ())[1] == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("type: local\nworkers: 0\n", "here.yaml:2: workers: must be a number from 1 to 10000, or auto, not 0"),
        ("type: locl\n", "here.yaml:1: type: unknown engine 'locl' (did you mean local?)"),
        ("type: local\nwrokers: 2\n", "here.yaml:2: wrokers: unknown field (did you mean workers?)"),
        ("workers: 2\n", "here.yaml:1: type: the engine needs its name, type: NAME; it has workers"),
    ],
)
def test_a_wrong_engine_file_is_refused_at_its_line(tmp_path, text, line):
    path = tmp_path / "here.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as refused:
        load_engine(path)
    assert str(refused.value) == f"{tmp_path}/{line}"


def test_what_this_process_alone_has_is_evaluated_in_it(tmp_path):
    bound = FunctionEvaluator().bind(accuracy)
    assert isinstance(LocalEngine().open({"search": bound}, tmp_path, 1), InProcessPool)
    assert isinstance(LocalEngine().open({"search": bound}, tmp_path, 2), ProcessPool)


def test_the_engine_is_no_part_of_what_a_run_was_asked(tmp_path):
    study = {"space": SPACE, "name": "toy", "trials": 1, "sampler": "random"}
    archspec.search(study, accuracy, runs=tmp_path, quiet=True)
    before = (tmp_path / "toy" / "study.yaml").read_text()
    study["trials"] = 2
    archspec.search(study, accuracy, runs=tmp_path, quiet=True, engine={"type": "local", "workers": 1})
    assert (tmp_path / "toy" / "study.yaml").read_text() == before.replace("trials: 1", "trials: 2")


@final
class HereEngine(Engine):
    """This process, whose folder may be another one than the worker's."""

    type: Literal["here"] = "here"
    moved: bool = False

    def open(self, evaluators, root, workers):
        return InProcessPool(evaluators, root.parent / "elsewhere" if self.moved else root)


def test_the_check_reports_where_an_order_was_answered_and_leaves_nothing(tmp_path):
    found = check_engine_works(HereEngine(), tmp_path / "runs", 60)
    assert found.works
    assert found.facts["archspec"].startswith(archspec.__version__)
    assert found.facts["archspec"].endswith("the same code as here")
    assert found.facts["run folder"].startswith("shared with ")
    assert {"host", "process", "cores", "devices", "python", "torch", "answered"} <= found.facts.keys()
    assert not (tmp_path / "runs").exists()


def test_the_check_tells_a_folder_that_is_not_shared(tmp_path):
    found = check_engine_works(HereEngine(moved=True), tmp_path / "runs", 60)
    assert not found.works
    assert found.facts["run folder"].startswith("NOT shared with ")


def test_engines_are_listed_and_wrong_names_refused(run):
    code, out, _ = run("engines")
    assert code == 0
    assert "local" in out
    assert run("engines", "check", "locla")[2] == "archspec: ENGINE: unknown engine 'locla' (did you mean local?)\n"
    assert run("engines", "start", "local")[0] == 2
    assert "check ENGINE" in run("engines", "check")[2]


def test_an_interrupted_run_names_the_engine_in_the_command_that_goes_on(tmp_path, capsys, monkeypatch):
    path = tmp_path / "here.yaml"
    path.write_text("type: local\n")
    begin = Conductor._begin

    def interrupt(self, arm, order):
        begin(self, arm, order)
        self._interrupt(2, None)

    monkeypatch.setattr(Conductor, "_begin", interrupt)
    monkeypatch.setattr(LocalEngine, "open", lambda self, evaluators, root, workers: InProcessPool(evaluators, root))
    evaluator = {"type": "command", "command": ["sleep", "60"], "resolution": 16}
    study = {"space": SPACE, "name": "toy", "trials": 1, "evaluator": evaluator, "final": {"seeds": 0}}
    assert not conduct(parse_study(Document(study, "")), tmp_path, engine=load_engine(path))
    assert capsys.readouterr().err.endswith(f"next: archspec search {tmp_path / 'toy'} --engine {path}\n")
