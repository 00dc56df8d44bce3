"""How often an evaluation begins again whose workers no journal counts."""

import pytest

from search.run.journal import MAX_ATTEMPTS
from search.run.phase import Restarts
from search.run.worker import Report


def test_deaths_are_counted_one_by_one_and_places_that_are_lost_are_not():
    restarts, died, lost = Restarts(), Report("died", "signal 9"), Report("lost", "node gone")
    for _ in range(MAX_ATTEMPTS - 1):
        assert restarts.allow("a", died)
        assert all(restarts.allow("a", lost) for _ in range(10))
    assert restarts.allow("b", died)
    assert not restarts.allow("a", died)


@pytest.mark.parametrize("kind", ["done", "failed", "unready", "unwritable"])
def test_what_has_come_to_an_end_does_not_begin_again(kind):
    assert not Restarts().allow("a", Report(kind))
