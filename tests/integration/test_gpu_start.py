"""Starts on simulated GPUs: LibTorch's own CUDA code and the worker, both unmodified, on libraries that replace the
driver's."""

import json

import pytest

from tests.support.ghost import a_ghost_is_built, ghost_environment, on_ghost  # noqa: F401
from tests.support.launching import (
    LOCKSTEP,
    MPI_ENVIRONMENT,
    QUICKSTART,
    WORKER,
    checkpoints_of,
    mpirun,
    run,
    set_options,
)

AUTO = {"distributed.device": "auto"}
CUDA = {"distributed.device": "cuda"}


@pytest.fixture
def settings(resnet):
    return resnet | CUDA | {"data.train_samples": 128, "data.test_samples": 32, "training.max_steps": 2}


@pytest.fixture
def devices(tmp_path):
    """Device files that say that the machine has two GPUs, whatever its driver."""
    folder = tmp_path / "dev"
    folder.mkdir()
    for number in range(2):
        (folder / f"nvidia{number}").touch()
    return {"LOCKSTEP_DEVICE_FILES": str(folder)}


@pytest.fixture
def withheld(tmp_path):
    """Device files of two GPUs that this process may not open: not even root may write to them."""
    folder = tmp_path / "withheld"
    folder.mkdir()
    for number in range(2):
        (folder / f"nvidia{number}").symlink_to("/proc/sys/kernel/ostype")
    return {"LOCKSTEP_DEVICE_FILES": str(folder)}


def start(output, ranks, settings, *options, environment=None, **ghost):
    command = [*on_ghost(WORKER, **ghost), QUICKSTART, "--output", output, *set_options(settings), *options]
    return run(mpirun(ranks, command), environment=MPI_ENVIRONMENT | (environment or {}))


def manifest_of(output):
    return json.loads((output / "checkpoint" / checkpoints_of(output)[-1] / "manifest.json").read_text())


@pytest.mark.parametrize("ranks", [1, 2])
def test_every_command_starts(settings, tmp_path, ranks):
    outcome = start(tmp_path / "run", ranks, settings, gpus=2)
    assert outcome.exit_code == 0, outcome.output
    for rank in outcome.event("map")["ranks"]:
        assert "compute capability" in rank["device"] and " SMs" in rank["device"] and rank["gpu"]
    for argument in (
        ["--verify", tmp_path / "run", "--from-start"],
        ["--eval", tmp_path / "run"],
        ["--check", QUICKSTART, "--output", tmp_path / "run", *set_options(settings)],
    ):
        outcome = run(mpirun(ranks, [*on_ghost(WORKER, gpus=2), *argument]), environment=MPI_ENVIRONMENT)
        assert outcome.exit_code == 0, (argument, outcome.output)


def test_the_launcher_starts_a_rank_for_each_gpu(settings, tmp_path, devices):
    outcome = run(
        [LOCKSTEP, "train", QUICKSTART, "--output", tmp_path / "run", *set_options(settings | AUTO)],
        environment=ghost_environment(gpus=2) | devices,
    )
    assert outcome.exit_code == 0, outcome.output
    assert [rank["gpu"] != "" for rank in outcome.event("map")["ranks"]] == [True, True]


def test_auto_says_why_it_does_not_take_gpus_that_are_there(settings, tmp_path):
    outcome = start(tmp_path / "run", 2, settings | AUTO, gpus=1)
    assert outcome.exit_code == 0, outcome.output
    [line] = [line for line in outcome.stderr.splitlines() if "computes on CPUs" in line]
    assert "has 1 GPU for 2 ranks" in line and 'distributed.device = "cpu"' in line
    assert outcome.event("map")["ranks"][0]["device"].startswith("cpu")


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_gpus_with_a_driver_that_is_too_old_are_refused(settings, tmp_path, devices, device):
    outcome = start(tmp_path / "run", 2, settings | {"distributed.device": device}, driver="old", environment=devices)
    assert outcome.exit_code == 2, outcome.output
    assert (
        "driver is too old: it knows CUDA up to 12.4" in outcome.stderr
        and "needs 13.0" in outcome.stderr
        and "apt-get" in outcome.stderr
    )


def test_gpus_without_a_driver_are_refused_where_they_are_there(settings, tmp_path, devices):
    outcome = start(tmp_path / "run", 1, settings | AUTO, driver="missing")
    assert outcome.exit_code == 0, outcome.output
    assert "GPU" not in outcome.stderr, "a machine without GPUs has nothing to say of them"
    outcome = start(tmp_path / "other", 1, settings | AUTO, driver="missing", environment=devices)
    assert outcome.exit_code == 2, outcome.output
    assert "libcuda.so.1" in outcome.stderr and "nvidia-driver" in outcome.stderr


def test_gpus_of_other_jobs_do_not_keep_a_job_without_gpus_from_its_cpus(settings, tmp_path, withheld):
    reason = f"{withheld['LOCKSTEP_DEVICE_FILES']}/nvidia0: Permission denied"
    outcome = run(
        [LOCKSTEP, "train", QUICKSTART, "--output", tmp_path / "run", *set_options(settings | AUTO)],
        environment=ghost_environment(gpus=0) | withheld,
    )
    assert outcome.exit_code == 0, outcome.output
    [line] = [line for line in outcome.stderr.splitlines() if "computes on CPUs" in line]
    assert reason in line and "--gres=gpu:1" in line and "group" in line
    outcome = start(tmp_path / "other", 1, settings, gpus=0, environment=withheld)
    assert outcome.exit_code == 2, outcome.output
    assert reason in outcome.stderr and "--gres=gpu:1" in outcome.stderr
    broken = withheld | {"LOCKSTEP_DEVICE_FILES": str(tmp_path / "broken")}
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "nvidia0").touch()
    assert start(tmp_path / "third", 1, settings | AUTO, gpus=0, environment=broken).exit_code == 2


def test_memory_that_is_refused_ends_the_run_instead_of_changing_its_bits(settings, tmp_path):
    """cuDNN's first plan needs more memory than there is; LibTorch would silently take the second plan."""
    outcome = start(tmp_path / "run", 2, settings, memory_bytes=2 << 30, plan_bytes=8 << 30)
    assert outcome.exit_code == 8, outcome.output
    assert "ran out of memory" in outcome.stderr and "training.micro_batch_size" in outcome.stderr
    assert start(tmp_path / "enough", 2, settings, memory_bytes=2 << 30, plan_bytes=1 << 20).exit_code == 0


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    "fail", ["launch:40:2", "cudaMalloc:3:2", "cudaEventCreateWithFlags:1:2", "cudaStreamWaitEvent:2:2"]
)
def test_memory_that_is_refused_to_any_call_ends_the_run_as_that(settings, tmp_path, rank, fail):
    """CUDA may load code, and libraries may allocate memory, in any call."""
    without_cache = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"} if fail.startswith("cudaMalloc") else {}
    outcome = start(tmp_path / "run", 2, settings, gpus=2, fail=fail, fail_rank=rank, environment=without_cache)
    assert outcome.exit_code == 8, outcome.output
    assert "out of memory" in outcome.stderr and "training.micro_batch_size" in outcome.stderr
    assert rank == 0 or "rank 1" in outcome.stderr  # a message without a rank is from rank 0


def test_the_libraries_and_variables_that_change_bits_are_compared_with_the_checkpoint(settings, tmp_path):
    output = tmp_path / "run"
    assert start(output, 1, settings | {"training.max_steps": 1}).exit_code == 0
    details = manifest_of(output)["device_details"]
    assert set(details) == {"driver", "CUDA", "cuBLAS", "cuDNN", "NCCL", "environment"}
    assert details["cuDNN"].count(".") == 2 and details["environment"] == "CUBLAS_WORKSPACE_CONFIG=:4096:8"
    other = {"NVIDIA_TF32_OVERRIDE": "1"}
    outcome = start(output, 1, settings, environment=other)
    assert outcome.exit_code == 2, outcome.output
    assert "NVIDIA_TF32_OVERRIDE=1 here" in outcome.stderr
    assert "reliability.resume_on_other_device=true" in outcome.stderr
    accepted = settings | {"reliability.resume_on_other_device": True}
    assert start(output, 1, accepted, environment=other).exit_code == 0


def test_ranks_with_other_variables_are_refused(settings, tmp_path):
    other = [*on_ghost(WORKER), QUICKSTART, "--output", tmp_path / "run", *set_options(settings)]
    command = [*mpirun(1, other), ":", "-np", "1", "env", "TORCH_CUDNN_V8_API_DISABLED=1", *other]
    outcome = run(command, environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 2, outcome.output
    assert "TORCH_CUDNN_V8_API_DISABLED=1" in outcome.stderr and "rank 1" in outcome.stderr


def test_the_workspace_of_cublas_is_set_whatever_the_environment_says(settings, tmp_path):
    outcome = start(tmp_path / "run", 1, settings, environment={"CUBLAS_WORKSPACE_CONFIG": ":16:8"})
    assert outcome.exit_code == 0, outcome.output
    assert "CUBLAS_WORKSPACE_CONFIG=:16:8 is replaced by :4096:8" in outcome.stderr
    assert ":4096:8" in manifest_of(tmp_path / "run")["device_details"]["environment"]
