"""Event files as TensorBoard reads them: scalars once each, a trial in its own folder, a table of trials."""

from extras import need
from logged_runs import epoch, logged_run, logged_trial

from search.logger import LoggedMember, parse_logger


def scalars(folder):
    """Steps of each tag, in the order written."""
    loader = need("tensorboard.backend.event_processing.event_file_loader").LegacyEventFileLoader
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        for event in loader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_a_trial_that_goes_on_has_every_epoch_once(tmp_path):
    need("tensorboard")
    trial, folder = logged_trial(tmp_path), tmp_path / "tensorboard" / "search-0000-abc"
    session = parse_logger("tensorboard").open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 0
    session.log_epoch(trial, epoch(1))
    session.log_epoch(trial, epoch(2))  # and killed: neither trial nor session is closed
    (last,) = folder.glob("events.out.tfevents.*")
    with last.open("ab") as file:
        file.write(b"\x80\x00\x00")  # of a record that was cut short
    session = parse_logger("tensorboard").open(logged_run(tmp_path))
    assert session.begin_trial(trial) == 2
    session.log_epoch(trial, epoch(3))
    session.end_trial(trial, "done", {"accuracy": 0.5})
    assert session.begin_trial(trial) == 3  # its answer, once more
    session.end_trial(trial, "done", {"accuracy": 0.5})
    session.log_members("front", [LoggedMember("trial 0", {"accuracy": 0.5, "macs": 1234.0}, "HR2x8")])
    session.close("finished")
    found = scalars(folder)
    assert [step for step, _ in found["accuracy/validation"]] == [1, 2, 3]
    assert found["loss/train"][1] == (2, 1.0)
    assert found["result/accuracy"] == [(0, 0.5)]
    assert found["result/macs"] == [(0, 1234.0)]
    assert len(found["_hparams_/session_start_info"]) == len(found["trial"]) == 1
    assert {"run", "front", "_hparams_/experiment"} <= set(scalars(tmp_path / "tensorboard"))


def test_one_folder_may_hold_many_runs(tmp_path):
    need("tensorboard")
    logger = parse_logger({"type": "tensorboard", "folder": str(tmp_path / "all")})
    logger.open(logged_run(tmp_path / "run")).close("finished")
    assert [path.parent.name for path in (tmp_path / "all").glob("*/events*")] == ["toy"]
