"""What NVML reports of the GPUs appears in everything that monitors a run, and in `lockstep check`."""

import urllib.request

import pytest

from tests.integration.gpus_on_double import HOST, SETTINGS, UUID, Nvml, command, put_programs_into, require_gpus
from tests.support.launching import AS_ROOT, Started, run, why
from tests.support.ports import reserved_port


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
