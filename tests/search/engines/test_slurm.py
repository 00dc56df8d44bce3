"""The engine of SLURM as it is stated: what is refused, and what sbatch is given."""

import shutil

import pytest
from fake_slurm import FakeSlurm

from archspec.errors import SpecError
from search.engines.slurm import SlurmEngine
from search.evaluators.function import FunctionEvaluator
from search.run.pools.engine import load_engine
from search.slurm.run_id import run_id
from search.slurm.script import JobSettings, sbatch_arguments, write_script
from search.slurm.time_limit import read_time_limit

FORMS = "minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds"


def accuracy(spec, seed):
    return 0.5


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 5400),
        ("90:30", 5430),
        ("4:00:00", 14400),
        ("2-12", 216000),
        ("2-12:30", 217800),
        ("2-12:30:15", 217815),
    ],
)
def test_a_time_limit_is_read_as_slurm_writes_it(text, seconds):
    assert read_time_limit(text) == seconds


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        ("time: 4h", f"time: must be a time as SLURM writes it ({FORMS}), such as '4:00:00', not '4h'"),
        ("time: '0'", "time: must be more than no time, not '0'"),
        ("time: 240", "time: must be text as SLURM writes it, in quotes: '4:00:00', not 240"),
        ("gpu: 2", "gpu: unknown field (did you mean gpus?)"),
        ("memory: 32 GB", "memory: must be a number with K, M, G or T, such as 32G, not '32 GB'"),
        ("sbatch: ['--time=1']", "sbatch: --time is the field `time` of the engine: state it there"),
        (
            "sbatch: [--array=1-9]",
            "sbatch: --array is set by archspec, which reads the answers of its jobs: leave it out",
        ),
        (
            "sbatch: [partition=a100]",
            "sbatch: must be options of sbatch with their values, such as --partition=a100, not 'partition=a100'",
        ),
    ],
)
def test_a_wrong_field_is_refused_at_its_line(tmp_path, line, refused):
    path = tmp_path / "engine.yaml"
    path.write_text(f"type: slurm\n{line}\n")
    with pytest.raises(SpecError) as error:
        load_engine(path)
    assert str(error.value) == f"{path}:2: {refused}"


def test_sbatch_is_given_what_the_engine_states(tmp_path):
    engine = load_engine(
        {
            "type": "slurm",
            "gpus": 2,
            "cpus": 8,
            "time": "4:00:00",
            "memory": "32G",
            "sbatch": ["--partition=a100"],
            "setup": ["source env.sh", "module load cuda"],
        }
    )
    assert isinstance(engine, SlurmEngine)
    settings = JobSettings(2, 8, "4:00:00", "32G", ("--partition=a100",), engine.setup)
    arguments = sbatch_arguments(settings, tmp_path, "archspec-0.1", [0, 1, 2])
    assert {"--array=0-2", "--job-name=archspec-0.1", "--requeue", "--signal=B:USR1@120"} <= set(arguments)
    assert {"--cpus-per-task=8", "--gres=gpu:2", "--time=4:00:00", "--mem=32G", "--partition=a100"} <= set(arguments)
    assert "\nsource env.sh\nmodule load cuda\n" in write_script(settings, tmp_path)
    short = sbatch_arguments(JobSettings(time="2"), tmp_path, "a", [3])
    assert {"--array=3", "--signal=B:USR1@30"} <= set(short)


def test_a_host_without_sbatch_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SpecError, match=r"^engine: slurm needs the program sbatch, which is not on the PATH here"):
        SlurmEngine().check_ready({})


def test_what_this_process_alone_has_cannot_go_to_a_node(monkeypatch, tmp_path):
    FakeSlurm(tmp_path / "slurm").install(monkeypatch)
    SlurmEngine().check_ready({})
    with pytest.raises(SpecError, match=r"^engine: must be local, not slurm: no node has evaluator function"):
        SlurmEngine().check_ready({"search": FunctionEvaluator().bind(accuracy)})


def test_a_run_keeps_its_identity_and_a_copy_of_it_gets_another(tmp_path):
    first = run_id(tmp_path / "a")
    assert run_id(tmp_path / "a") == first
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert run_id(tmp_path / "copy") not in (first, run_id(tmp_path / "another"))
    (tmp_path / "a").rename(tmp_path / "moved")
    assert run_id(tmp_path / "moved") == first
