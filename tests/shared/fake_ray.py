"""Stand-ins for Ray as archspec uses it, which `make engines-ray` tries for real: the package, and a driver at work."""

import time
from types import SimpleNamespace

from search.evaluator import Epoch
from search.jobs.batch import Began, JobBatch
from search.run.pools.engine import JOBS
from search.run.worker import Report

KINDS = (
    "WorkerCrashedError",
    "OutOfMemoryError",
    "NodeDiedError",
    "RayTaskError",
    "RuntimeEnvSetupError",
    "TaskUnschedulableError",
)


class FakeRay:
    """The package, whose tasks end as they are told.

    Args:
        ends: of each task, one after the other: what it returns, or the name of the error and its text.
        refuses: what `init` raises.
    """

    def __init__(self, *ends, refuses=None):
        base = type("RayError", (Exception,), {})
        self.exceptions = SimpleNamespace(RayError=base, **{name: type(name, (base,), {}) for name in KINDS})
        self.ends, self.refuses, self.options, self.given = list(ends), refuses, {}, []

    def init(self, **options):
        self.options = options
        if self.refuses is not None:
            raise self.refuses

    def nodes(self):
        return [{"Alive": True, "NodeID": "a1", "Resources": {"CPU": 2.0}}]

    def remote(self, **options):
        self.options = options
        return lambda function: SimpleNamespace(remote=self._start)

    def _start(self, *given):
        self.given.append(given)
        return len(self.given) - 1

    def wait(self, tasks, num_returns, timeout):
        assert (num_returns, timeout) == (len(tasks), 0.2)
        return tasks, []

    def get(self, task):
        end = self.ends[task]
        if isinstance(end, str):
            return end
        raise getattr(self.exceptions, end[0], self.exceptions.RayError)(end[1])


class FakeLink:
    """A driver whose tasks do what a plan says, by seed and attempt: `done`, `failed`, `wait`, or an end of Ray's.

    Args:
        plan: acts by seed; `done` when nothing is left.
        refusal: what it says in place of being ready.
    """

    def __init__(self, plan, refusal=""):
        self.plan, self.refusal = plan, refusal
        self.heard, self.ended, self.closed = time.monotonic(), False, False
        self.waits, self.silent, self.nodes = [], False, ["a1f0"]
        self._said = [{"say": "refused", "text": refusal}] if refusal else []

    def submit(self, key, root, batch, index):
        folder = JobBatch(root / JOBS / batch)
        order = folder.orders()[index]
        acts = self.plan[order.seed]
        act = acts[order.attempt - 1] if len(acts) >= order.attempt else "done"
        if act != "queued":
            folder.tell(index, Began("gpu7, node a1", 0, 1.0, "4711"))
            folder.tell(index, Report("progress", "epoch 1/2", epoch=Epoch(1, 2, {"val_accuracy": 0.5})))
        if act in ("done", "failed"):
            done = Report("done", metrics={"accuracy": 0.5})
            folder.give_answer(index, done if act == "done" else Report("failed", "no memory"))
        if act in ("wait", "queued"):
            self.waits.append((key, folder, index))
        else:
            how = "ended" if act in ("done", "failed", "silence") else act
            text = {"crashed": "the worker died", "lost": "its node died", "error": "No module named 'search'"}
            self._said.append({"say": "ended", "key": key, "how": how, "text": text.get(act, "")})

    def hear(self, timeout):
        alive = [] if self.silent or self.refusal or self.ended else [{"say": "alive", "nodes": self.nodes, "lack": ""}]
        for key, folder, index in list(self.waits):
            if folder.stopping:
                folder.give_answer(index, Report("interrupted", "saved"))
                self._said.append({"say": "ended", "key": key, "how": "ended", "text": ""})
        said, self._said = [*alive, *self._said], []
        if said:
            self.heard = time.monotonic()
        else:
            time.sleep(min(timeout, 0.01))
        return said

    def refused_token(self):
        return "token" in self.refusal

    def last_words(self):
        return "the head is gone"

    def close(self):
        self.closed = True
