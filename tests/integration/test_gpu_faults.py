"""A GPU that fails ends its rank with its own exit code and a message that names the GPU. The run continues without it
and ends in the same state."""

import shutil

import pytest

from tests.integration.gpus_on_double import (
    DOUBLE,
    ECC,
    GPU_FAILED,
    HOST,
    SETTINGS,
    UUID,
    Nvml,
    broken,
    command,
    put_programs_into,
    require_gpus,
    set_aside,
)
from tests.support.launching import LOCKSTEP, MPI_ENVIRONMENT, QUICKSTART, mpirun, result_of, run, set_options, why


@pytest.fixture(scope="module", autouse=True)
def gpus():
    require_gpus()


@pytest.fixture(scope="module")
def programs_on_double(tmp_path_factory):
    return put_programs_into(tmp_path_factory.mktemp("bin"))


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | SETTINGS


@pytest.fixture
def nvml(tmp_path):
    return Nvml(tmp_path / "nvml")


@pytest.fixture(scope="module")
def undisturbed(programs_on_double, settings, tmp_path_factory):
    """The state hash of a run with all its GPUs."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    outcome = run(command(programs_on_double, output, 3, settings), environment={"NCCL_DOUBLE_GPUS": "3"})
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)["state_hash"]


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
    shell = tmp_path / "shell"  # replaces ssh: HOST COMMAND...
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
    """A wrapper shows each rank one GPU, which the launcher cannot change: the rank that gets the failed GPU again
    reports it."""
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


def test_without_nvml_nothing_is_told_and_all_else_works(programs_on_double, settings, undisturbed, tmp_path):
    outcome = run(command(programs_on_double, tmp_path, 2, settings), environment={"NCCL_DOUBLE_GPUS": "2"})
    assert outcome.exit_code == 0, outcome.output
    assert result_of(tmp_path)["state_hash"] == undisturbed
