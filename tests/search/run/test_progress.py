"""What is shown of a running search: every training that is under way, by itself."""

from optuna.storages import InMemoryStorage
from rich.table import Table

from search.run.journal import open_study
from search.run.progress import ProgressDisplay
from search.run.worker import Order


def test_trainings_of_one_layout_with_two_seeds_are_shown_side_by_side():
    study = open_study(InMemoryStorage(), "toy", ["accuracy"], {})  # pyright: ignore
    screen = ProgressDisplay("toy", lambda _: Table())
    first, second = (Order({}, "0" * 16, seed, f"final-seed{seed}", "final", final=True) for seed in (0, 1))
    screen.show_progress(first, "epoch 1")
    screen.show_progress(second, "epoch 2")
    assert list(screen.running.values()) == ["final-seed0: epoch 1", "final-seed1: epoch 2"]
    screen.show_answer("done", (1, 2), first, study)
    assert list(screen.running.values()) == ["final-seed1: epoch 2"]
