"""The watch of a run's folder for space: a line when it has gone, and one when it has come."""

import errno

from search.slurm import space_watch
from search.slurm.space_watch import SpaceWatch


def test_each_change_is_told_once(tmp_path, monkeypatch):
    def full(folder):
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(space_watch, "LOOK_SECONDS", 0.0)
    watch = SpaceWatch(tmp_path)
    assert watch.look() == []
    with monkeypatch.context() as patch:
        patch.setattr(space_watch, "check_space", full)
        [line] = watch.look()
        assert line.startswith(f"{tmp_path}: No space left on device at ")
        assert watch.look() == []
    [line] = watch.look()
    assert line.startswith("there is space again at ")


def test_it_does_not_look_all_the_time(tmp_path):
    watch = SpaceWatch(tmp_path)
    watch.look()
    watch._root = tmp_path / "nowhere"
    assert watch.look() == []
