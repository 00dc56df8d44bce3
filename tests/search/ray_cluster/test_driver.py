"""The driver over a stand-in of Ray: how it connects, what it submits, and how it tells the ends of tasks."""

import json
import socket

import pytest
from fake_ray import FakeRay

from search.ray_cluster.driver import Channel, Tasks, connect, describe_lack
from search.ray_cluster.settings import RaySettings, decode, driver_environment, find_address

ENDS = {
    "": ("ended", ""),
    "gpu7 does not see /runs": ("ended", "gpu7 does not see /runs"),
    ("WorkerCrashedError", ""): ("crashed", "the worker died"),
    ("OutOfMemoryError", ""): ("memory", "Ray ended the worker, since the memory of its node was nearly full"),
    ("NodeDiedError", ""): ("lost", "its node died"),
    ("OwnerDiedError", ""): ("lost", "Ray lost its task (RayError)"),
    ("RayTaskError", "Traceback\n\nModuleNotFoundError: No module named 'search'\n"): (
        "error",
        "ModuleNotFoundError: No module named 'search'",
    ),
}


def test_tasks_are_submitted_and_their_ends_told():
    ours, theirs = socket.socketpair()
    ray = FakeRay(*ENDS)
    lines = [{"key": str(one), "root": "/runs/a", "batch": "0123", "index": one} for one in range(len(ENDS))]
    ours.sendall("".join(f"{json.dumps(line)}\n" for line in lines).encode())
    ours.shutdown(socket.SHUT_WR)
    Tasks(ray, RaySettings(cpus=4, gpus=2, memory=1 << 30, resources={"a100": 1}), Channel(theirs)).serve()
    theirs.close()
    said = [json.loads(line) for line in ours.makefile().read().splitlines()]
    assert [(one["key"], one["how"], one["text"]) for one in said] == [
        (str(index), *end) for index, end in enumerate(ENDS.values())
    ]
    assert ray.given[1] == ("/runs/a", "0123", 1)
    needs = {"num_cpus": 4, "num_gpus": 2, "memory": 1 << 30, "resources": {"a100": 1}}
    children = {"env_vars": {"RAY_kill_child_processes_on_worker_exit": "0"}}
    assert ray.options == needs | {"max_retries": 0, "max_calls": 1, "runtime_env": children}
    ours.close()


def test_a_cluster_of_this_machine_is_quiet_and_has_no_dashboard():
    ray = FakeRay()
    assert connect(ray, RaySettings(), "local") == ""
    assert (ray.options["address"], ray.options["include_dashboard"]) == ("local", False)
    assert (ray.options["_node_ip_address"], ray.options["log_to_driver"]) == ("127.0.0.1", False)
    assert connect(ray, RaySettings(gpus=1), "local") == "no node has CPU 1 and GPU 1 on this machine"


def test_an_address_without_a_cluster_is_told_before_ray_waits_for_it():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    ray = FakeRay(refuses=AssertionError())
    assert connect(ray, RaySettings(), address) == f"no cluster answers at {address}: Connection refused"


def test_a_wrong_token_is_told_in_one_line():
    wrong = type("AuthenticationError", (Exception,), {})("InvalidAuthToken\nmore")
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = connect(FakeRay(refuses=wrong), RaySettings(), f"127.0.0.1:{server.getsockname()[1]}")
    assert "Ray refuses the token of this process, or it has none: all nodes and this one must have the same" in said
    assert "\n" not in said


def test_what_no_node_has_is_named():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 8.0}},
        {"Alive": False, "Resources": {"CPU": 8.0, "GPU": 8.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
    ]
    assert describe_lack(nodes, RaySettings(cpus=8)) == ""
    assert describe_lack(nodes, RaySettings(cpus=8, gpus=1)) == "no node has CPU 8 and GPU 1"


def test_the_cluster_is_that_of_the_variable_or_of_this_machine(tmp_path):
    here = {"RAY_TMPDIR": str(tmp_path)}
    assert find_address(here) == "local"
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text("10.0.0.1:6379")
    assert find_address(here) == "10.0.0.1:6379"
    assert find_address(here | {"RAY_ADDRESS": "10.0.0.2:6379"}) == "10.0.0.2:6379"


def test_a_token_is_asked_for_wherever_nobody_said_otherwise(monkeypatch):
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        monkeypatch.delenv(name, raising=False)
    there = driver_environment("10.0.0.1:6379")
    assert there["RAY_AUTH_MODE"] == "token"
    assert "RAY_AUTH_TOKEN" not in there
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert driver_environment("10.0.0.1:6379")["RAY_AUTH_MODE"] == "disabled"
    first, second = driver_environment("local"), driver_environment("local")
    assert (first["RAY_AUTH_MODE"], len(first["RAY_AUTH_TOKEN"])) == ("token", 64)
    assert first["RAY_AUTH_TOKEN"] != second["RAY_AUTH_TOKEN"]
    assert first["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


@pytest.mark.parametrize("settings", [RaySettings(), RaySettings("h:1", 2, 8, 5, {"a100": 0.5})])
def test_settings_travel_as_text(settings):
    assert decode(settings.encode()) == settings
