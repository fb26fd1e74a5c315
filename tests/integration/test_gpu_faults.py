"""A GPU that fails ends its rank with a code of its own and a message that names it, and the run goes on without it to
the same end; what NVML tells of the GPUs is seen in everything that watches a run."""

import json
import os
import shutil
import urllib.request

import pytest

from tests.support.ghost import IS_BUILT, WHY_NOT, counts_of, ghost_environment, on_ghost
from tests.support.launching import (
    AS_ROOT,
    LOCKSTEP,
    MPI_ENVIRONMENT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    Started,
    mpirun,
    result_of,
    run,
    set_options,
    why,
)
from tests.support.ports import reserved_port
from tests.support.skipping import cannot_run

DOUBLE = PROGRAMS / "worker_on_nccl_double"
GHOST_NVML = PROGRAMS.parent / "ghost"

GPU_FAILED, ECC = 9, 214
HOST = os.uname().nodename
UUID = "GPU-2d000000-0000-0000-0000-{:012x}".format  # of the double's GPUs


@pytest.fixture(scope="module", autouse=True)
def gpus():
    if not DOUBLE.is_file() or not IS_BUILT:
        cannot_run(WHY_NOT)


@pytest.fixture(scope="module")
def programs_on_double(tmp_path_factory):
    """The launcher, beside the worker on the double under the worker's name."""
    folder = tmp_path_factory.mktemp("bin")
    shutil.copy(LOCKSTEP, folder / "lockstep")
    shutil.copy(DOUBLE, folder / "lockstep-worker")
    return folder


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {
        "data.train_samples": 512,
        "data.test_samples": 60,
        "training.max_steps": 12,
        "checkpoint.every_steps": 2,
        "training.epochs": 100,
        "reliability.max_restarts": 3,
        "distributed.device": "cuda",
    }


@pytest.fixture
def nvml(tmp_path):
    return Nvml(tmp_path / "nvml")


class Nvml:
    """What the ghost's NVML tells; may change while a run goes on."""

    def __init__(self, path):
        self._path, self._lines = path, []
        self.tell()

    def tell(self, *lines):
        self._lines += lines
        beside = self._path.with_suffix(".new")
        beside.write_text("".join(line + "\n" for line in self._lines))
        beside.rename(self._path)

    @property
    def environment(self):
        folders = [str(GHOST_NVML), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        return {"GHOST_NVML": str(self._path), "LD_LIBRARY_PATH": ":".join(folders)}


def command(programs, output, ranks, settings, *options):
    return [
        programs / "lockstep",
        "train",
        QUICKSTART,
        "--ranks",
        ranks,
        "--output",
        output,
        *set_options(settings),
        *options,
    ]


def broken(function, call, error, gpu, gpus=3):
    """The environment in which GPU `gpu` of the double fails in that call of the function."""
    return {"NCCL_DOUBLE_GPUS": str(gpus), "NCCL_DOUBLE_FAIL": f"{function}:{call}:{error}:{gpu}"}


@pytest.fixture(scope="module")
def undisturbed(programs_on_double, settings, tmp_path_factory):
    """The state hash of a run with all its GPUs."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    outcome = run(command(programs_on_double, output, 3, settings), environment={"NCCL_DOUBLE_GPUS": "3"})
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)["state_hash"]


def set_aside(output):
    return json.loads((output / "status" / "set_aside.json").read_text())["gpus"]


@pytest.mark.parametrize(
    "function, call, error, gpu",
    [("cudaEventRecord", 5, ECC, 1), ("cudaEventRecord", 20, 220, 2), ("cudaEventRecord", 12, 999, 0)],
)
def test_a_run_goes_on_without_the_gpu_that_failed_and_ends_in_the_same_state(
    programs_on_double, settings, undisturbed, tmp_path, function, call, error, gpu
):
    outcome = run(command(programs_on_double, tmp_path, 3, settings), environment=broken(function, call, error, gpu))
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("restart")["ranks"] == 2
    assert result_of(tmp_path)["state_hash"] == undisturbed
    assert f"rank {gpu} on {HOST} has lost its GPU in " in outcome.stderr
    assert f"GPU {gpu}, {UUID(gpu)}, PCI 0000:{gpu:02x}:00 (CUDA error {error}: " in outcome.stderr, outcome.output
    assert f"leaving {UUID(gpu)} of {HOST} out" in outcome.stderr
    [aside] = set_aside(tmp_path)
    assert (aside["host"], aside["uuid"], aside["rank"]) == (HOST, UUID(gpu), gpu)


@pytest.mark.parametrize("hosts", ["localhost:3", "127.0.0.1:3"])
def test_the_host_loses_a_slot_whatever_it_is_called_on_the_command_line(
    programs_on_double, settings, undisturbed, tmp_path, hosts
):
    shell = tmp_path / "shell"  # in the place of ssh: HOST COMMAND...
    shell.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    shell.chmod(0o755)
    tmp_path = tmp_path / "run"
    outcome = run(
        command(programs_on_double, tmp_path, 3, settings, "--hosts", hosts, "--rsh", shell),
        environment=broken("cudaEventRecord", 5, ECC, 1),
    )
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("restart")["ranks"] == 2
    assert result_of(tmp_path)["state_hash"] == undisturbed
    outcome = run(
        command(
            programs_on_double,
            tmp_path,
            3,
            settings | {"training.max_steps": 14},
            "--hosts",
            HOST + ":3",
            "--rsh",
            shell,
        ),
        environment=broken("cudaEventRecord", 5, ECC, 1),
    )
    assert outcome.exit_code == 0 and outcome.event("start")["ranks"] == 2, outcome.output
    assert "2 ranks instead of 3, as GPUs have failed" in outcome.stderr, outcome.output


def test_a_gpu_whose_kernels_come_to_nothing_is_left_out_at_its_second_failure(
    programs_on_double, settings, undisturbed, tmp_path
):
    outcome = run(command(programs_on_double, tmp_path, 3, settings), environment=broken("cudaEventRecord", 60, 700, 1))
    assert outcome.exit_code == 0, outcome.output
    assert [event["ranks"] for event in outcome.events if event["event"] == "restart"] == [3, 2]
    assert f"keeping {UUID(1)} of {HOST}, since it may be a mistake of the program" in outcome.stderr
    assert [aside["uuid"] for aside in set_aside(tmp_path)] == [UUID(1)]
    assert result_of(tmp_path)["state_hash"] == undisturbed


def test_a_gpu_whose_kernels_come_to_nothing_is_left_out_at_once_where_nvml_counts_bad_memory(
    programs_on_double, settings, tmp_path, nvml
):
    nvml.tell("uncorrected 1 2")
    outcome = run(
        command(programs_on_double, tmp_path / "run", 3, settings),
        environment=broken("cudaEventRecord", 12, 719, 1) | nvml.environment,
    )
    assert outcome.exit_code == 0 and outcome.event("restart")["ranks"] == 2, outcome.output


def test_kernels_that_come_to_nothing_on_two_gpus_are_the_fault_of_the_program(programs_on_double, settings, tmp_path):
    outcome = run(
        command(programs_on_double, tmp_path, 3, settings), environment=broken("cudaEventRecord", 12, 700, -1)
    )
    assert outcome.exit_code == GPU_FAILED, outcome.output
    assert "have failed in the same way: it is likely the program, and not the GPUs" in outcome.stderr


def test_ranks_that_are_shown_one_gpu_each_lose_one_of_them(programs_on_double, settings, tmp_path):
    """By a wrapper, whose list the launcher cannot change: the rank that is shown the failed GPU again says so."""
    worker, wrapper = programs_on_double / "lockstep-worker", tmp_path / "bin" / "lockstep-worker"
    wrapper.parent.mkdir()
    shutil.copy(LOCKSTEP, wrapper.parent / "lockstep")
    shown = "CUDA_VISIBLE_DEVICES=$OMPI_COMM_WORLD_RANK NCCL_DOUBLE_FIRST=$OMPI_COMM_WORLD_RANK NCCL_DOUBLE_GPUS=1"
    wrapper.write_text(f'#!/bin/sh\nexport {shown}\nexec {worker} "$@"\n')
    wrapper.chmod(0o755)
    outcome = run(
        command(wrapper.parent, tmp_path / "run", 3, settings), environment=broken("cudaEventRecord", 5, ECC, 1)
    )
    assert outcome.exit_code == GPU_FAILED, outcome.output
    assert outcome.event("restart")["ranks"] == 2
    assert f"a rank on {HOST} is shown no GPU that works ({UUID(1)} failed in this run" in outcome.stderr


def test_a_spare_gpu_takes_the_place_of_one_that_fails(programs_on_double, settings, undisturbed, tmp_path):
    outcome = run(
        command(programs_on_double, tmp_path, 3, settings), environment=broken("cudaEventRecord", 12, ECC, 0, gpus=4)
    )
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("restart")["ranks"] == 3
    assert result_of(tmp_path)["state_hash"] == undisturbed


def test_a_gpu_that_failed_stays_out_of_later_starts_until_its_entry_is_removed(programs_on_double, settings, tmp_path):
    short = settings | {"training.max_steps": 6}
    outcome = run(command(programs_on_double, tmp_path, 3, short), environment=broken("cudaEventRecord", 12, ECC, 1))
    assert outcome.exit_code == 0, outcome.output
    outcome = run(
        command(programs_on_double, tmp_path, 3, short | {"training.max_steps": 8}),
        environment=broken("cudaEventRecord", 1, ECC, 1),
    )
    assert outcome.exit_code == 0, outcome.output
    assert "2 ranks instead of 3, as GPUs have failed" in outcome.stderr and outcome.event("start")["ranks"] == 2
    assert f"{UUID(1)} of {HOST} is left out (CUDA error {ECC}: " in outcome.stderr
    (tmp_path / "status" / "set_aside.json").unlink()
    outcome = run(command(programs_on_double, tmp_path, 3, settings), environment={"NCCL_DOUBLE_GPUS": "3"})
    assert outcome.exit_code == 0 and outcome.event("start")["ranks"] == 3, outcome.output


def test_the_only_gpu_that_fails_ends_the_run_and_why_knows_it(programs_on_double, settings, tmp_path, nvml):
    nvml.tell("uncorrected 0 2", "xid 0 48", "repair_pending 0 1")
    outcome = run(
        command(programs_on_double, tmp_path / "run", 1, settings),
        environment=broken("cudaEventRecord", 5, ECC, 0, gpus=1) | nvml.environment,
    )
    assert outcome.exit_code == GPU_FAILED, outcome.output
    assert "lockstep: no GPU is left" in outcome.stderr
    code, answer = why(tmp_path / "run")
    [finding] = answer["findings"]
    assert (code, finding["trouble"], finding["ranks"], finding["host"]) == (3, "GPU failed", [0], HOST)
    for part in (
        UUID(0),
        "PCI 0000:00:00",
        f"CUDA error {ECC}: uncorrectable ECC error encountered",
        "uncorrectable ECC errors since the driver was loaded: 2",
        "wait for a reset",
        "nvidia-smi --gpu-reset -i",
    ):
        assert part in finding["text"], finding["text"]
    outcome = run(command(programs_on_double, tmp_path / "run", 1, settings), environment={"NCCL_DOUBLE_GPUS": "1"})
    assert outcome.exit_code == GPU_FAILED and "no GPU is left for the run" in outcome.stderr, outcome.output


def test_without_the_launcher_the_job_ends_with_the_code_of_the_failed_gpu(settings, tmp_path):
    outcome = run(
        mpirun(3, [DOUBLE, QUICKSTART, "--output", tmp_path / "run", *set_options(settings)]),
        environment=MPI_ENVIRONMENT | broken("cudaEventRecord", 12, ECC, 2),
    )
    assert outcome.exit_code == GPU_FAILED, outcome.output
    assert f"error: rank 2 on {HOST} has lost its GPU" in outcome.stderr
    log = (tmp_path / "run" / "log" / "rank-2.log").read_text()
    assert UUID(2) in log and "uncorrectable ECC error" in log


def test_cuda_is_not_shown_the_gpus_that_failed(programs_on_double, settings, tmp_path):
    """A GPU that has fallen off the bus can keep CUDA from starting."""
    outcome = run(command(programs_on_double, tmp_path, 3, settings), environment=broken("cudaEventRecord", 12, ECC, 1))
    maps = [event for event in outcome.events if event["event"] == "map"]
    assert [rank["cuda_visible_devices"] for rank in maps[0]["ranks"]] == [""] * 3
    assert [rank["cuda_visible_devices"] for rank in maps[1]["ranks"]] == [f"{UUID(0)},{UUID(2)}"] * 2


def long_run(settings, **more):
    return (
        settings
        | {
            "training.max_steps": 0,
            "training.epochs": 100000,
            "training.evaluate_every_epochs": 0,
            "checkpoint.every_steps": 0,
            "checkpoint.every_epochs": 0,
        }
        | more
    )


@pytest.fixture
def going_on(programs_on_double, settings, tmp_path, nvml):
    """Starts a run of 2 ranks that does not end by itself, with the ghost's NVML."""
    nvml.tell("gpus 0 2")
    with (
        reserved_port() as port,
        Started(
            command(programs_on_double, tmp_path / "run", 2, long_run(settings, **{"run.prometheus_port": port})),
            environment={"NCCL_DOUBLE_GPUS": "2"} | nvml.environment,
        ) as started,
    ):
        started.wait_for_event("step", step=3)
        yield started, tmp_path / "run", port


def test_why_names_a_gpu_that_throttles(going_on, nvml):
    _, output, _ = going_on
    nvml.tell("temperature 1 87", "reasons 1 0x40")
    answer = {"findings": [], "under_way": True}
    while not answer["findings"] and answer["under_way"]:  # the sentinels write once a second
        code, answer = why(output)
    [finding] = answer["findings"]
    assert (code, finding["trouble"], finding["ranks"]) == (3, "GPU throttles", [1])
    assert "its GPU throttles (thermal) at 87 C" in finding["text"]
    assert [rank["gpu"]["health"]["temperature_celsius"] for rank in answer["ranks"]] == [45, 87]
    assert [rank["gpu"]["uuid"] for rank in answer["ranks"]] == [UUID(0), UUID(1)]


def test_prometheus_reads_how_the_gpus_fare(going_on, nvml):
    _, output, port = going_on
    nvml.tell("temperature 1 87", "reasons 1 0x40", "uncorrected 0 5", "xid 0 94")
    labels = f'{{run="run",rank="1",host="{HOST}",gpu="{UUID(1)}"}}'
    text = ""
    while (
        f"lockstep_gpu_throttles{labels} 1\n" not in text or "lockstep_gpu_last_xid" not in text or " 94\n" not in text
    ):
        assert why(output)[1]["under_way"]
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
    assert f"lockstep_gpu_temperature_celsius{labels} 87\n" in text, text
    zero = f'{{run="run",rank="0",host="{HOST}",gpu="{UUID(0)}"}}'
    assert f"lockstep_gpu_uncorrected_errors{zero} 5\n" in text and f"lockstep_gpu_throttles{zero} 0\n" in text
    assert f"lockstep_gpu_power_watts{zero} 250\n" in text and f"lockstep_gpu_sm_clock_hertz{zero} 1980000000\n" in text


def test_without_nvml_nothing_is_told_and_all_else_works(programs_on_double, settings, undisturbed, tmp_path):
    outcome = run(command(programs_on_double, tmp_path, 2, settings), environment={"NCCL_DOUBLE_GPUS": "2"})
    assert outcome.exit_code == 0, outcome.output
    assert result_of(tmp_path)["state_hash"] == undisturbed


def checked(programs, tmp_path, environment):
    outcome = run(
        [programs / "lockstep", "check", "--ranks", 1],
        cwd=tmp_path,
        environment={"NCCL_DOUBLE_GPUS": "2"} | environment,
    )
    return [event for event in outcome.events if event.get("check") == "gpus"], outcome


def test_check_tells_of_healthy_gpus(programs_on_double, tmp_path, nvml):
    [event], outcome = checked(programs_on_double, tmp_path, nvml.environment)
    assert (event["result"], event["problems"]) == ("ok", []), outcome.output
    assert f"{HOST}: 2 GPUs, 45 C, driver 580.00.00" in event["detail"]
    assert [gpu["gpu"]["uuid"] for gpu in event["gpus"]] == [UUID(0), UUID(1)]


@pytest.mark.parametrize(
    "line, result, words",
    [
        ("lost 1 1", "failed", "has fallen off the bus"),
        ("reset_required 1 1", "failed", "does not work until it is reset"),
        ("repair_failed 1 1", "failed", "is worn out"),
        ("repair_pending 1 1", "warning", "rows wait for a reset"),
        ("uncorrected 1 3", "warning", "3 uncorrectable ECC errors"),
        ("reasons 1 0x80", "warning", "throttles before it has anything to do (power brake, at 45 C)"),
        ("temperature 1 83", "warning", "is hot before it has anything to do (83 C)"),
        ("processes 1 2", "warning", "2 other processes"),
        ("persistence 1 0", "warning", "persistence mode is off"),
    ],
)
def test_check_names_a_gpu_that_is_not_well(programs_on_double, tmp_path, nvml, line, result, words):
    nvml.tell(line)
    [event], outcome = checked(programs_on_double, tmp_path, nvml.environment)
    assert event["result"] == result, outcome.output
    [problem] = event["problems"]
    assert problem.startswith(f"GPU 1, {UUID(1)}, PCI 0000:01:00 of {HOST} ") and words in problem, problem


def test_check_names_a_lost_gpu_that_keeps_cuda_from_starting(programs_on_double, tmp_path, nvml):
    nvml.tell("gpus 0 2", "lost 1 1")
    [event], outcome = checked(programs_on_double, tmp_path, nvml.environment | {"NCCL_DOUBLE_GPUS": "0"})
    assert event["result"] == "failed", outcome.output
    assert event["problems"] == [
        f"GPU 1 of {HOST} has fallen off the bus (NVML) reboot the host, and have its power and seat looked at"
    ]


def test_check_says_where_nvml_is_missing(programs_on_double, tmp_path):
    [event], outcome = checked(programs_on_double, tmp_path, AS_ROOT)
    assert event["result"] == "warning", outcome.output
    assert "nothing is known of the health of the GPUs" in event["problems"][0]


# On the ghost, through LibTorch's own CUDA code.

ON_GHOST = {
    "data.train_samples": 256,
    "training.max_steps": 4,
    "checkpoint.every_steps": 1,
    "training.evaluate_every_epochs": 0,
    "precision.mixed_precision": "none",
}


def ghost_uuid(gpu):
    digits = "".join(f"{(16 * gpu + byte) % 256:02x}" for byte in range(16))
    return "GPU-" + "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def run_on_ghost(output, ranks, settings, **ghost):
    words = mpirun(ranks, [*on_ghost(WORKER, gpus=2, **ghost), QUICKSTART, "--output", output, *set_options(settings)])
    return run(words, environment=MPI_ENVIRONMENT)


def expect_named(outcome, output, rank, error):
    """The code, and the message on standard error, in the log, and from `lockstep why`."""
    assert outcome.exit_code == GPU_FAILED, outcome.output
    code, answer = why(output)
    [finding] = answer["findings"]
    assert (code, finding["trouble"], finding["ranks"]) == (3, "GPU failed", [rank]), answer
    log = (output / "log" / f"rank-{rank}.log").read_text()
    for text in (outcome.stderr, finding["text"], log):
        for part in (
            f"rank {rank} on {HOST} has lost its GPU in ",
            f"GPU {rank}, {ghost_uuid(rank)}, PCI 0000:{0x18 + rank:02x}:00",
            f"CUDA error {error}: ",
        ):
            assert part in text, text


@pytest.mark.parametrize("error", [ECC, 220, 700, 719, 46, 999])
def test_an_error_of_a_gpu_that_libtorch_meets_names_it(settings, tmp_path, error):
    outcome = run_on_ghost(tmp_path, 2, settings | ON_GHOST, fail=f"cudaMemcpyAsync:12:{error}", fail_rank=1)
    expect_named(outcome, tmp_path, 1, error)
    assert "which LibTorch met" in outcome.stderr


@pytest.mark.parametrize("call, error", [("cudaEventRecord:4", ECC), ("cudaStreamWaitEvent:2", 719)])
def test_an_error_that_our_own_calls_meet_names_the_gpu(settings, tmp_path, call, error):
    outcome = run_on_ghost(tmp_path, 2, settings | ON_GHOST, fail=f"{call}:{error}", fail_rank=0)
    expect_named(outcome, tmp_path, 0, error)
    assert "when it was to " in outcome.stderr


@pytest.mark.parametrize("error", [ECC, 700])
def test_an_error_that_the_update_meets_names_the_gpu(settings, tmp_path, error):
    outcome = run_on_ghost(tmp_path / "counted", 1, settings | ON_GHOST, counts=tmp_path / "counts")
    assert outcome.exit_code == 0, outcome.output
    [counts] = counts_of(tmp_path / "counts")
    until_update = counts["steps"][0]["calls"]["launch"]["times"]
    outcome = run_on_ghost(tmp_path / "run", 1, settings | ON_GHOST, fail=f"launch:{until_update}:{error}")
    expect_named(outcome, tmp_path / "run", 0, error)
    assert "when it was to update the weights" in outcome.stderr, outcome.output


def test_an_error_of_the_program_is_no_fault_of_the_gpu(settings, tmp_path):
    invalid_value = 1
    outcome = run_on_ghost(tmp_path, 1, settings | ON_GHOST, fail=f"cudaMemcpyAsync:12:{invalid_value}")
    assert outcome.exit_code == 5 and "internal error" in outcome.stderr, outcome.output


def test_on_the_ghost_too_a_run_goes_on_without_the_gpu_that_failed_and_ends_in_the_same_state(settings, tmp_path):
    whole = run_on_ghost(tmp_path / "whole", 2, settings | ON_GHOST)
    assert whole.exit_code == 0, whole.output
    outcome = run(
        [LOCKSTEP, "train", QUICKSTART, "--ranks", 2, "--output", tmp_path / "run", *set_options(settings | ON_GHOST)],
        environment=ghost_environment(gpus=2, fail=f"cudaEventRecord:4:{ECC}", fail_rank=1),
    )
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("restart")["ranks"] == 1
    assert result_of(tmp_path / "run")["state_hash"] == result_of(tmp_path / "whole")["state_hash"]
    assert [entry["uuid"] for entry in set_aside(tmp_path / "run")] == [ghost_uuid(1)]
    # CUDA_VISIBLE_DEVICES, which leaves that GPU out, is now the worker's own: nobody has shown each rank one GPU.
    outcome = run_on_ghost(tmp_path / "run", 2, settings | ON_GHOST | {"training.max_steps": 6})
    assert outcome.exit_code == 2, outcome.output
    assert "has 1 GPU for 2 ranks, since" in outcome.stderr and "failed in this run" in outcome.stderr
