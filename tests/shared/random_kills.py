"""Kills at random of what belongs to a run, and what its counts must be afterwards."""

import random
import time
from collections import Counter

from fault_runs import is_alive, kill

MOST_DEATHS = 2
"""Workers of one layout that are killed: it fails with the third."""


class RandomKills:
    """Kills at random, all of which a run survives.

    Args:
        run: a `FaultRun` under way.
        seed: of what is killed, and when.
        allowed: how many evaluations may end by the last kill, so that some end and the run does not.
    """

    def __init__(self, run, seed, allowed):
        self.run, self.allowed = run, allowed
        self.rng = random.Random(seed)
        self.done, self.deaths = Counter(), Counter()

    def go(self, count, **kinds):
        """So many kills, each by one of the functions, which says whether there was something to kill."""
        gate = self.run.home / "allowed"
        while (done := sum(self.done.values())) < count:
            gate.write_text(str(self.allowed * done // count))
            self.run.until(lambda: self.run.under_way() or self.run.process.poll() is not None, 120, str(self.done))
            assert self.run.process.poll() is None, f"{self.done}\n{self.run.diagnosis()}"
            time.sleep(self.rng.random())
            kind = self.rng.choice(sorted(kinds))
            self.done[kind] += bool(kinds[kind]())
        gate.unlink()

    def one(self, found):
        """One of what is found, by its folder; None where there is nothing."""
        return self.rng.choice(sorted(found.items())) if found else None

    def worker(self, conducted=True):
        """Kill a worker, and have the run see it; False where each has been killed often enough.

        Args:
            conducted: whether the run is conducted then, rather than only afterwards.
        """
        one = self.one({key: pid for key, pid in self.run.working().items() if self.deaths[key] < MOST_DEATHS})
        if one is None:
            return False
        folder, pid = one
        before = self.run.said.count("the worker died")
        if not conducted:
            self.run.kill()
        kill(pid)
        self.run.until(lambda: not is_alive(pid))
        if not conducted:
            self.run.start()
        if not (self.run.root / folder / "result.json").exists():
            self.deaths[folder] += 1
            self.run.until(lambda: self.run.said.count("the worker died") > before)
        return True

    def conductor(self):
        """Kill the process that conducts, and start it again."""
        self.run.kill()
        self.run.start()
        return True

    def interrupt(self, number):
        """Interrupt the run by a signal, and start it again."""
        self.run.signal(number)
        self.run.end(90, code=130)
        self.run.start()
        return True

    def check(self):
        """Each worker that was killed is told once, and counts as an attempt of its layout; nothing else does.

        Two trials of one layout that are under way together count apart.
        """
        assert self.run.said.count("the worker died") == sum(self.deaths.values()), self.run.diagnosis()
        found, trials = Counter(), Counter()
        for one in self.run.trials():
            if "digest" in one.user_attrs:
                folder = f"artifacts/{one.user_attrs['digest']}/search-seed0"
                found[folder] = max(found[folder], one.user_attrs.get("attempt", 1) - 1)
                trials[folder] += "requeued_from" not in one.user_attrs
        for one in self.run.trials("final"):
            if one.state.name == "FAIL":
                found[f"artifacts/{one.user_attrs['digest']}/final-seed{one.user_attrs['seed']}"] += 1
        alone = {key: (found[key], self.deaths[key]) for key in found | self.deaths if trials[key] < 2}
        wrong = {key: counts for key, counts in alone.items() if counts[0] != counts[1]}
        assert not wrong, f"attempts counted and workers killed: {wrong}\n{self.done}\n{self.run.diagnosis()}"

    def __str__(self):
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.done.items()))
