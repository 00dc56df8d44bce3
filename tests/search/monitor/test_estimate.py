"""The time that is left: exact where all trainings are alike, over the workers, told once."""

import pytest

from search.evaluator import Epoch
from search.monitor.estimate import RunPart, TimeEstimate, show_seconds


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def estimate(workers: int, *parts: RunPart) -> tuple[TimeEstimate, Clock]:
    clock = Clock()
    return TimeEstimate(workers, list(parts), clock), clock


def test_alike_trainings_are_foretold_to_the_second():
    """Two workers, ten trainings of 4 epochs x 5 s and 2 s beside, then two finalists of 8 epochs."""
    one, clock = estimate(2, RunPart("search", 10, 4), RunPart("finalists", 2, 8))
    one.begin_part("search", 10)
    assert one.left() is None
    for key in (("a", "x"), ("b", "x")):
        one.begin(key)
    for number in range(1, 5):
        clock.now = 5.0 * number
        for key in (("a", "x"), ("b", "x")):
            one.note(key, Epoch(number, 4, {"seconds": 5.0}, device="cpu"))
            assert one.left_of(key) == pytest.approx(20 - 5 * number)
        if number == 1:
            line = "time: about 2 min left for 12 trainings of about 20 s, 5.0 s an epoch, on cpu"
            assert (one.first_line(), one.first_line()) == (line, "")
    clock.now = 22.0
    one.end(("a", "x"), 9, done=True)
    one.end(("b", "x"), 8, done=True)
    assert one.left() == pytest.approx(4 * 22 + 42)
    one.begin_part("finalists", 2)
    assert one.left() == pytest.approx(42)


def test_evaluations_without_epochs_are_timed_whole_and_answers_from_disk_are_not():
    one, clock = estimate(1, RunPart("search", 4))
    one.begin_part("search", 4)
    one.begin(("a", "x"))
    clock.now = 0.01
    one.end(("a", "x"), 3, done=True)
    assert one.left() is None
    one.begin(("b", "x"))
    clock.now = 60.01
    one.end(("b", "x"), 2, done=True)
    assert one.left() == pytest.approx(120)
    assert one.first_line() == "time: about 2 min left for 2 trainings of about 60 s"


def test_a_time_limit_bounds_the_part_that_has_it():
    one, clock = estimate(1, RunPart("search", 1000, 1))
    one.begin_part("search", 1000, 100)
    one.begin(("a", "x"))
    clock.now = 10.0
    one.note(("a", "x"), Epoch(1, 1, {"seconds": 10.0}))
    assert one.left() == pytest.approx(100)


def test_a_training_that_goes_on_counts_the_epochs_it_has_left():
    one, _ = estimate(1, RunPart("search", 1, 10))
    one.begin_part("search", 1)
    one.begin(("a", "x"))
    one.note(("a", "x"), Epoch(8, 10, {"seconds": 3.0}))
    assert one.left() == pytest.approx(6)


def test_little_time_is_not_worth_a_line():
    one, _ = estimate(1, RunPart("search", 2, 1))
    one.begin_part("search", 2)
    one.begin(("a", "x"))
    one.note(("a", "x"), Epoch(1, 1, {"seconds": 1.0}))
    assert one.first_line() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.26, "4.3 s"),
        (9.96, "10 s"),
        (99, "99 s"),
        (100, "2 min"),
        (3500, "58 min"),
        (3590, "1 h"),
        (12_100, "3 h 20 min"),
        (187_000, "2 d 4 h"),
    ],
)
def test_times_in_words(seconds, text):
    assert show_seconds(seconds) == text
