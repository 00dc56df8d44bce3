"""The engine of Ray as it is stated: what is refused, and what its tasks ask for."""

import pytest

from archspec.errors import SpecError
from search import plugins
from search.engines.ray import RayEngine
from search.evaluators.function import FunctionEvaluator
from search.ray_cluster import pool as module
from search.run.pools.engine import load_engine


def accuracy(spec, seed):
    return 0.5


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("adress: local", "adress: unknown field (did you mean address?)"),
        ("address: head", "address: must be HOST:PORT of the head, such as 10.0.0.1:6379, or local, not 'head'"),
        (
            "address: ray://head:10001",
            "address: must be HOST:PORT: a run starts on a node of its cluster, not through the Ray client",
        ),
        ("memory: 32 GB", "memory: must be a number with K, M, G or T, such as 32G, not '32 GB'"),
        ("resources: {GPU: 2}", "resources: GPU is the field `gpus` of the engine: state it there"),
        ("resources: {a100: 0}", "resources: a100 must be more than 0, not 0"),
        ("gpus: 0.5", "gpus: must be a valid integer, not 0.5"),
    ],
)
def test_a_wrong_field_is_refused_at_its_line(tmp_path, line, refused):
    path = tmp_path / "engine.yaml"
    path.write_text(f"type: ray\n{line}\n")
    with pytest.raises(SpecError) as error:
        load_engine(path)
    assert str(error.value) == f"{path}:2: {refused}"


def test_a_task_asks_for_what_the_engine_states(tmp_path, monkeypatch):
    built = []
    monkeypatch.setattr("search.engines.ray.RayPool", lambda *given: built.append(given))
    engine = load_engine({"type": "ray", "gpus": 2, "cpus": 8, "memory": "32G", "resources": {"a100": 1}})
    engine.open({}, tmp_path, 4)
    [(workers, _, root, settings)] = built
    assert (workers, root, settings.address) == (4, tmp_path, "")
    assert settings.wants == {"CPU": 8, "GPU": 2, "memory": 32 << 30, "a100": 1}
    assert module.find_address({"RAY_ADDRESS": "head:6379"}) == "head:6379"


def test_a_machine_without_ray_is_told_its_extra(monkeypatch):
    monkeypatch.setattr(plugins, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match=r"^engine: ray needs the package ray: pip install 'archspec-vision\[ray\]'$"):
        RayEngine().check_ready({})


def test_what_this_process_alone_has_cannot_go_to_a_node(monkeypatch):
    monkeypatch.setattr(plugins, "find_spec", lambda name: name)
    RayEngine().check_ready({})
    with pytest.raises(SpecError, match=r"^engine: must be local, not ray: no node has evaluator function"):
        RayEngine().check_ready({"search": FunctionEvaluator().bind(accuracy)})
