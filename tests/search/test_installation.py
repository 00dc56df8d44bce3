"""The code that runs, as a run records it and as workers compare it."""

import json

import pytest

from archspec import __version__
from search import installation
from search.installation import INSTALLATION, compare_installations, describe_installation, record_installation
from search.run.pools import workers
from search.run.pools.workers import ProcessPool
from search.run.worker import PROBE, Order


def test_the_code_is_told_by_version_and_content(tmp_path):
    found = describe_installation()
    version, digest = found["archspec"].split()
    assert (version, len(digest)) == (__version__, 16)
    record_installation(tmp_path)
    assert json.loads((tmp_path / INSTALLATION).read_text()) == found


def test_a_change_of_a_file_changes_the_digest(tmp_path, monkeypatch):
    for package in ("archspec", "search"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1")
    monkeypatch.setattr(installation, "__file__", str(tmp_path / "search" / "installation.py"))
    before = installation.digest_packages()
    assert installation.digest_packages() == before
    (tmp_path / "archspec" / "a.py").write_text("x = 2")
    assert installation.digest_packages() != before


@pytest.mark.parametrize(
    ("wanted", "found", "text"),
    [
        ({"archspec": "1 a"}, {"archspec": "1 a"}, ""),
        ({"archspec": "1 a"}, {"archspec": "1 b"}, "archspec is 1 b here, and 1 a where the run was started"),
        (
            {"evaluators mine": "1 a"},
            {},
            "the part 'evaluators mine' is not installed here, and 1 a where the run was started",
        ),
    ],
)
def test_the_first_difference_is_told(wanted, found, text):
    assert compare_installations(wanted, found) == text


def test_a_worker_with_other_code_refuses_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "describe_installation", lambda: {"archspec": "0.0.1 0123"})
    with ProcessPool(1, {}, tmp_path) as pool:
        pool.submit(Order({}, "probe", 0, "probe", PROBE, place="probe"))
        report = next(report for _ in range(600) for _, report in pool.reports(0.1))
    own = describe_installation()["archspec"]
    assert report.kind == "unready"
    assert report.text == f"archspec is {own} here, and 0.0.1 0123 where the run was started: start the run again"
