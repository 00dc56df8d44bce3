"""The pool of a run whose orders are jobs of SLURM. There is no daemon: what is known comes from squeue and files.

Orders that are handed over together are tasks of one job array. A job reports and answers through files in the folder
of the run; squeue says what became of one that did not answer. Jobs that an earlier start of the run has left are taken
over when their orders are handed over again.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

from archspec.errors import RunError, SpecError
from archspec.files.fence import current_attempt, next_attempt
from archspec.files.os_errors import check_space, explain, lacks_space
from search.evaluator import Evaluator
from search.installation import describe_installation
from search.jobs.batch import JobBatch, batches, log_of, saved_since
from search.run.pools.engine import JOBS
from search.run.pools.pool import Pool
from search.run.worker import Order, Report, answer, report_disk
from search.slurm import programs
from search.slurm.programs import ControllerSilent, JobListing, JobState
from search.slurm.run_id import run_id
from search.slurm.script import JobSettings, sbatch_arguments, write_script
from search.slurm.space_watch import SpaceWatch
from search.slurm.time_limit import LATE
from search.slurm.tracked import TrackedJob, UnconfirmedBatch

MOST_TASKS = 500
"""Tasks of one array; clusters refuse more than some 1,000."""
STOP_SECONDS = 90.0
"""Time in which jobs have saved after the run was asked to stop; then they are cancelled."""
SETTLE_SECONDS = 20.0
"""Time after the end of a job in which its answer becomes visible on a shared file system."""
LOOKS = 3
"""Answers of squeue in which a batch must not be before it is sent again. Should it have been taken all the same, the
first job that begins has the order (`JobBatch.claim`)."""
OPEN_SECONDS = 120.0
"""Time in which squeue must say once which jobs there are."""

Key = tuple[str, str]


@final
class SlurmPool(Pool):
    """Jobs of SLURM.

    Args:
        size: orders at a time.
        evaluators: by the name that orders give.
        root: folder of the run, which the nodes see under the same path.
        settings: of the jobs.
        poll: seconds between two looks at squeue and at the files.
    """

    def __init__(
        self, size: int, evaluators: Mapping[str, Evaluator], root: Path, settings: JobSettings, poll: float
    ) -> None:
        self._size, self._evaluators, self._root = size, evaluators, root.absolute()
        self._settings, self._poll = settings, poll
        self._jobs: list[TrackedJob] = []
        self._left: dict[Key, TrackedJob] = {}
        """Jobs of an earlier start whose orders were not handed over yet."""
        self._sending: list[UnconfirmedBatch] = []
        self._notes: list[str] = []
        self._listing: Any = None
        self._listed = self._next_look = self._silent = 0.0
        self._stopping, self._asked = False, 0.0
        self._begun, self._space = False, SpaceWatch(self._root)

    def __enter__(self) -> SlurmPool:
        self._id = run_id(self._root)
        found = batches(self._root, self._settings.kind)
        if found:
            self._take_over(found, programs.list_jobs(OPEN_SECONDS))
        return self

    def __exit__(self, *_: object) -> None:
        jobs = [job for job in (*self._jobs, *self._left.values()) if job.batch is not None]
        numbers = {f"{job.batch.job}_{job.index}" for job in jobs if job.batch is not None and job.batch.job}
        if self._listing is not None:
            self._listing.kill()
            self._listing.communicate()
        if numbers:
            programs.cancel(*sorted(numbers))
        for sending in self._sending:  # it may have been taken
            programs.cancel(f"--name={self._name(sending.batch)}")

    @property
    def idle(self) -> int:
        return self._size - self.busy

    @property
    def busy(self) -> int:
        return len(self._jobs)

    def submit(self, order: Order) -> None:
        """Hand over an order: it goes on where it is under way, and to a new job with the next batch otherwise.

        Raises:
            OSError: the folder of the order cannot be written.
        """
        left = self._left.pop(_key(order, self._root), None)
        if left is not None:
            left.order = order
            self._jobs.append(left)
            return
        job = TrackedJob(order, order)
        if (order.folder(self._root) / order.result).exists():  # nothing to wait for
            job.said.append(answer(order, self._evaluators, {}, self._root, lambda: False, lambda _: None))
        else:
            job.given = replace(order, attempt=next_attempt(order.folder(self._root)))
        self._jobs.append(job)

    def reports(self, timeout: float) -> Iterator[tuple[Order, Report]]:
        """The reports of jobs, at most `timeout` seconds from now, or as soon as the files were looked at."""
        if self._stopping and not self._asked:
            self._ask_to_stop()
        self._send()
        begun = time.monotonic()
        while not any(job.said for job in self._jobs):
            self._look()
            if self._notes or time.monotonic() - begun >= timeout:
                break
            time.sleep(min(0.05, timeout))
        for text in self._notes:
            if self._jobs:
                yield self._jobs[0].order, Report("note", text)
        self._notes = []
        for job in list(self._jobs):
            said, job.said = job.said, []
            for report in said:
                if report.kind not in ("progress", "note"):
                    self._jobs.remove(job)
                    if job.batch is not None:
                        job.batch.close(job.index)
                yield job.order, report

    def stop(self) -> None:
        self._stopping = True

    def place(self, order: Order) -> tuple[str, float | None]:
        job = next((one for one in self._jobs if one.order is order), None)
        if job is None or job.batch is None:
            return "not submitted yet", None
        name = f"job {job.batch.job}_{job.index}" if job.batch.job else "a job that SLURM did not confirm"
        since = job.began.time if job.began is not None else None
        return (f"{name}, {job.state}" if job.state is not None else name), since

    def _send(self) -> None:
        """Have sbatch take what waits, and what it did not take before."""
        waiting = [job for job in self._jobs if job.batch is None and not job.said]
        if self._stopping:
            for job in waiting:
                job.said.append(Report("interrupted", "the run stopped before its job was submitted"))
            return
        for start in range(0, len(waiting), MOST_TASKS):
            part = waiting[start : start + MOST_TASKS]
            name = "-".join(filter(None, (self._settings.kind, secrets.token_hex(4))))
            batch = JobBatch(self._root / JOBS / name)
            setup = {
                "root": str(self._root),
                "installation": describe_installation(),
                "evaluators": {name: one.model_dump(mode="json") for name, one in self._evaluators.items()},
            }
            script = write_script(self._settings, batch.folder)
            try:
                batch.write([job.given for job in part], self._root, setup, script)
            except OSError as error:
                shutil.rmtree(batch.folder, ignore_errors=True)
                if not lacks_space(error):
                    raise
                self._notes.append(f"{explain(error)}: jobs are submitted when there is space")
                return
            for index, job in enumerate(part):
                job.batch, job.index = batch, index
            self._sbatch(UnconfirmedBatch(batch, list(range(len(part)))))

    def _sbatch(self, sending: UnconfirmedBatch) -> None:
        name, folder = self._name(sending.batch), sending.batch.folder
        try:
            number = programs.submit(sbatch_arguments(self._settings, folder, name, sending.indices))
        except ControllerSilent as error:
            self._note_silence(str(error))
            sending.missed = 0
            self._sending.append(sending)
            return
        except RunError as error:
            raise SpecError(str(error), field="engine") from None
        sending.batch.note_job(number)

    def _name(self, batch: JobBatch) -> str:
        """The name of the jobs of a batch."""
        return f"archspec-{self._id}.{batch.name}"

    def _look(self) -> None:
        """Look at the files, and at what squeue says, where it is time."""
        now = time.monotonic()
        if self._listing is not None and self._listing.poll() is not None:
            self._hear_listing()
        if self._listing is None and now - self._listed >= self._poll:
            self._listing, self._listed = programs.start_listing(), now
        elif self._listing is not None and now - self._listed > programs.SUBMIT_SECONDS:
            self._listing.kill()
        if now >= self._next_look:
            for job in self._jobs:
                self._read(job)
            took = time.monotonic() - now
            self._next_look = now + max(min(self._poll, 1.0), 10 * took)  # a slow disk is not kept busy by looking
        if self._asked and now - self._asked > STOP_SECONDS:
            self._give_up()

    def _hear_listing(self) -> None:
        process, self._listing = self._listing, None
        try:
            listing = programs.read_listing(process)
        except RunError as error:
            self._note_silence(str(error))
            return
        if self._silent:
            self._notes.append(f"SLURM answers again after {time.monotonic() - self._silent:.0f} s")
            self._silent = 0.0
        self._settle_sending(listing)
        self._notes += self._space.look() if self._jobs else []
        for job in self._jobs:
            self._judge(job, listing)

    def _settle_sending(self, listing: JobListing) -> None:
        """Send again those batches of which sbatch did not say, and squeue does not show, that they were taken."""
        sending, self._sending = self._sending, []
        for one in sending:
            number = listing.names.get(self._name(one.batch), "")
            one.missed += 1
            if number:
                one.batch.note_job(number)
            elif one.missed < LOOKS:  # a controller that was silent may take it only now
                self._sending.append(one)
            else:
                self._sbatch(one)

    def _note_silence(self, text: str) -> None:
        if not self._silent:
            self._silent = time.monotonic()
            at = time.strftime("%H:%M:%S")
            self._notes.append(f"SLURM does not answer since {at} ({text}): jobs go on, and the run waits for it")

    def _read(self, job: TrackedJob) -> None:
        """Take what a job has reported and answered."""
        if job.batch is None or job.said:
            return
        heard, job.offset = job.batch.heard(job.index, job.offset)
        for one in heard:
            if isinstance(one, Report):
                job.trained = job.trained or one.epoch is not None
                job.said.append(one)
                continue
            if one.ended:
                job.told = True
                continue
            if one.again:
                job.said.append(Report("progress", f"started again by SLURM on {one.node}"))
            job.began, job.trained, job.told, self._begun = one, False, False, True
        if (found := job.batch.answer(job.index)) is not None:
            job.said.append(self._named(job, found))

    def _judge(self, job: TrackedJob, listing: JobListing) -> None:
        """Find out what became of a job that has not answered."""
        if job.batch is None or job.said or not (number := job.batch.job):
            return
        self._read(job)
        if any(report.kind not in ("progress", "note") for report in job.said):
            return
        number, again = (job.began.job, job.began.again) if job.began is not None else (number, 0)
        state = job.state = listing.tasks.get((number, job.index))
        if state is not None and state.active and state.state != "COMPLETING":
            job.ended = 0.0
            return
        job.ended = job.ended or time.monotonic()
        code = job.batch.exit_code(job.index, number, again)
        settled = time.monotonic() - job.ended > max(SETTLE_SECONDS, 2 * self._poll)
        if code is not None and code != 0:
            job.said.append(self._died(job, f"the worker died with {_exit(code)}"))
        elif state is not None and state.active:
            return
        elif job.told and state is not None:
            job.said.append(Report("lost", f"its job was ended from outside, as {state.state}"))
        elif state is not None and state.state in programs.OF_ITS_PLACE:
            job.said.append(self._without_place(job, state))
        elif self._stopping and job.began is None and state is None and time.monotonic() - job.ended > self._poll:
            job.said.append(Report("interrupted", "the run stopped before its job began"))
        elif settled and state is not None:
            job.said.append(self._died(job, f"the job ended as {state.state} without an answer"))
        elif settled:
            job.said.append(Report("lost", f"SLURM knows job {number}_{job.index} no more, and it left no answer"))

    def _without_place(self, job: TrackedJob, state: JobState) -> Report:
        if self._stopping:
            return Report("interrupted", "its job was cancelled as the run stopped")
        saved = job.began is not None and saved_since(job.order.folder(self._root), job.began.time)
        if state.state == "TIMEOUT" and not (job.trained or saved):
            return self._died(job, LATE)
        node = f" on {state.node}" if state.node else ""
        return Report("lost", f"its job ended as {state.state}{node}")

    def _died(self, job: TrackedJob, text: str) -> Report:
        """The end of a job by itself; no evaluation is to blame where the disk is full, or no job has begun at all."""
        assert job.batch is not None
        try:
            check_space(self._root)
        except OSError as error:
            return report_disk(error)
        if not self._begun:
            words = job.batch.last_words(job.index, log_of(job.given, self._root))
            return self._named(
                job, Report("unready", f"{text} before archspec had started: {words or 'no word of it'}")
            )
        return self._named(job, Report("died", text))

    def _named(self, job: TrackedJob, report: Report) -> Report:
        """A report with the log of the job where something is wrong."""
        if report.kind not in ("failed", "died", "unready"):
            return report
        return replace(report, text=f"{report.text} (log: {log_of(job.given, self._root)})")

    def _ask_to_stop(self) -> None:
        self._asked = time.monotonic()
        jobs = [job for job in self._jobs if job.batch is not None and job.batch.job]
        for batch in {job.batch.folder: job.batch for job in jobs if job.batch is not None}.values():
            batch.ask_to_stop()
        numbers = [f"{job.batch.job}_{job.index}" for job in jobs if job.batch is not None]
        if numbers:
            programs.cancel("--state=PENDING", *numbers)
            programs.cancel("--batch", "--signal=USR1", *numbers)

    def _give_up(self) -> None:
        """Cancel what did not stop."""
        for job in self._jobs:
            if not job.said:
                job.said.append(
                    Report("interrupted", f"its job did not stop within {STOP_SECONDS:g} s and is cancelled")
                )
        programs.cancel(*(f"{one.batch.job}_{one.index}" for one in self._jobs if one.batch and one.batch.job))

    def _take_over(self, found: list[JobBatch], listing: JobListing) -> None:
        """Find the jobs of an earlier start that are alive, have answered since, or have died."""
        for batch in found:
            number = batch.job or listing.names.get(self._name(batch), "")
            if number and not batch.job:
                batch.note_job(number)
            for index, order in batch.orders().items():
                job = TrackedJob(order, order, batch, index, state=listing.tasks.get((number, index)))
                if self._counts(job, listing):
                    self._left[_key(order, self._root)] = job
                elif job.state is None or not job.state.active or batch.stopping:
                    batch.close(index)
        if alive := sum(job.state is not None and job.state.active for job in self._left.values()):
            self._notes.append(f"{alive} jobs of this run are alive and are taken over")

    def _counts(self, job: TrackedJob, listing: JobListing) -> bool:
        """Whether an order of an earlier start is under way, is answered, or has ended with its worker."""
        assert job.batch is not None
        if current_attempt(job.order.folder(self._root))[0] != job.order.attempt:
            return False
        answered = job.batch.answer(job.index)
        if answered is not None and answered.kind in ("done", "failed", "died"):
            return True
        if job.batch.stopping:
            return False
        if job.state is not None and job.state.active:
            return True
        self._judge(job, listing)
        end = next((report.kind for report in job.said if report.kind not in ("progress", "note")), "")
        # Of one that has ended by itself, the answer may become visible only now.
        return job.began is not None and (end == "died" or (not end and job.state is not None))


def _key(order: Order, root: Path) -> Key:
    return str(order.folder(root)), order.result


def _exit(code: int) -> str:
    return f"signal {code - 128}" if code > 128 else f"exit code {code}"
