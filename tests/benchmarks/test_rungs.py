"""The comparison of rungs: which peers are left out, the order of layouts, and what a peer's search counts."""

import pytest
import rungs
import rungs_peers
from rungs import Job, rungs_of, search
from rungs_peers import Trainings, complaint

from search.data.trained_layouts import TrainedCurve, load_table

TABLE = "five_stage_curves"


def test_a_peer_that_is_absent_or_has_other_rungs_is_left_out_with_the_reason(monkeypatch):
    def absent(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(rungs_peers, "import_module", absent)
    for peer in rungs_peers.PEERS:
        assert "it is not installed (No module named" in complaint(peer, [(3, 9)])
    monkeypatch.setattr(rungs_peers, "_levels", lambda peer, rungs: (3, 9))
    assert complaint("neps", [(3, 9)]) == ""
    assert complaint("neps", [(3, 9), (3, 10)]) == "its rungs would be (3, 9) in place of (3, 10)"


def test_a_search_spends_the_epochs_that_it_is_given(monkeypatch):
    total = load_table(TABLE).epochs
    first, last = rungs_of("two", total)
    budget = 3 * first + (last - first)
    run = search(Job(TABLE, "", "", "random", "two", 1, 0, budget))
    assert (run.begun, run.whole) == (3, 1)  # a third of three goes on
    assert run.scores[0] == 0 < run.scores[-1] < 1
    monkeypatch.setattr(rungs, "_drawn", lambda *asked: tuple(load_table(TABLE).rows))
    monkeypatch.setitem(rungs.PEERS, "neps", one_to_the_end)
    assert search(Job(TABLE, "", "", "neps", "two", 1, 0, budget)).begun == 1


def one_to_the_end(found, seed, work):
    """A peer that trains the first layout to the end, as often as it is asked."""
    digest = found.next()
    found.done.append((found.rungs[-1], digest))
    return 0.0


def test_a_promotion_goes_on_from_its_rung(monkeypatch):
    """The stub asks for two layouts, then for the whole of the second one."""

    class Asked:
        def __init__(self, optimizer):
            self.left = ["1_rung_0", "2_rung_0", "2_rung_1"]

        def ask(self):
            if not self.left:
                raise ValueError("need at least one array")
            return type("Trial", (), {"id": self.left.pop(0)})()

        def tell(self, trial, losses):
            told.append((trial.id, losses))

    told = []
    monkeypatch.setattr(rungs_peers, "import_module", lambda name: type("neps", (), {"AskAndTell": Asked}))
    monkeypatch.setattr(rungs_peers, "_mo_asha", lambda rungs: None)
    curve = TrainedCurve((0.1, 0.2, 0.5), seconds=(1.0, 2.0, 4.0))
    found = Trainings(["a", "b"], {"a": curve, "b": curve}, {"a": 0.3, "b": 0.6}, (1, 3))

    def work(begin, end):
        now, spent = 0.0, 0
        while (task := begin()) is not None:
            now, spent = now + task[0], end(task[1], spent)
        assert spent == 4
        return now

    assert rungs_peers.neps(found, 0, work) == pytest.approx(1 + 1 + 6)
    assert told == [("1_rung_0", [0.9, 0.3]), ("2_rung_0", [0.9, 0.6]), ("2_rung_1", [0.5, 0.6])]
    assert (found.done, found.begun, found.refused) == ([(4, "b")], 2, 1)
