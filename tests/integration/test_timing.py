"""Where the time goes: the columns of metrics.jsonl, the summary, and the trace."""

import json
import os
import re
import signal

import pytest

from tests.support.launching import (
    QUICKSTART,
    WORKER,
    Started,
    metrics_of,
    result_of,
    run,
    set_options,
    train,
    train_command,
)

PHASES = ["data", "forward", "backward", "exchange", "update", "checkpoint", "evaluation", "other"]
COLUMNS = {f"{phase}_ms" for phase in PHASES} | {"exposed_ms", "slowest_rank", "slowest_ms"}
STEPS = 6
NAMES = {"training.max_steps": STEPS, "checkpoint.every_steps": 2}


@pytest.fixture(scope="module")
def settings(resnet):
    return resnet | NAMES


@pytest.fixture(scope="module")
def traced(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("traced") / "run"
    train(output, 2, settings | {"run.trace": True})
    return output


def sum_of_phases(times):
    return sum(times[f"{phase}_ms"] for phase in PHASES)


def test_every_line_of_a_step_says_where_its_time_went(traced):
    lines = [line for line in metrics_of(traced) if "loss" in line]
    assert len(lines) == STEPS
    for line in lines:
        assert line.keys() >= COLUMNS
        assert all(line[column] >= 0 for column in COLUMNS)
        assert line["slowest_rank"] in (0, 1) and line["slowest_ms"] <= sum_of_phases(line)
        assert line["exposed_ms"] <= line["exchange_ms"]
        assert line["forward_ms"] > 0 and line["backward_ms"] > 0 and line["data_ms"] > 0


def test_the_phases_of_a_step_add_up_to_the_step(traced):
    """Over all steps except the last, whose evaluation comes after its line. The medians of two ranks differ a
    little."""
    result = result_of(traced)["phases_ms"]
    assert result.keys() == COLUMNS
    steps = [event for event in whole_trace(traced) if event["name"].startswith("step ")]
    mean_ms = sum(event["dur"] for event in steps) / len(steps) / 1e3
    assert sum_of_phases(result) == pytest.approx(mean_ms, rel=0.25)


def test_what_is_not_done_takes_no_time(settings, tmp_path):
    train(tmp_path / "run", 1, settings | {"training.log_every_steps": 3, "checkpoint.every_steps": 0})
    [first, _] = [line for line in metrics_of(tmp_path / "run") if "loss" in line]
    assert first["evaluation_ms"] == first["exposed_ms"] == 0 and first["checkpoint_ms"] < 0.1
    assert result_of(tmp_path / "run")["phases_ms"]["evaluation_ms"] > 0


def test_people_read_one_line_of_it(settings, tmp_path):
    command = [WORKER, QUICKSTART, "--output", tmp_path / "run", *set_options(settings)]
    for _ in range(2):  # the second time nothing is left to do
        text = run(command, environment={"LOCKSTEP_PROGRESS": "bar"}).stdout
        assert re.search(r"where the time went +(forward|backward) \d+ %, .*data [\d.]+ %", text), text


def test_a_trace_and_the_clock_change_no_bit(traced, settings, tmp_path):
    train(tmp_path / "run", 3, settings | {"training.log_every_steps": 4})
    for key in ("state_hash", "plan_hash", "test_accuracy"):
        assert result_of(tmp_path / "run")[key] == result_of(traced)[key]
    assert not (tmp_path / "run" / "trace").exists() and not (tmp_path / "run" / "trace.json").exists()


def whole_trace(output):
    return json.loads((output / "trace.json").read_text())


def events_of(trace, rank, thread):
    events = [event for event in trace if event["ph"] == "X" and (event["pid"], event["tid"]) == (rank, thread)]
    return sorted(events, key=lambda event: (event["ts"], -event["dur"]))


def expect_to_nest(events):
    """Each event lies within the event that is open when it begins, or after it."""
    open_until = []
    for event in events:
        end = event["ts"] + event["dur"]
        while open_until and open_until[-1] <= event["ts"] + 0.002:  # times have three decimals
            open_until.pop()
        assert not open_until or end <= open_until[-1] + 0.002, event
        open_until.append(end)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_events_of_the_trace_nest_and_cover_the_steps(traced, rank):
    trace = whole_trace(traced)
    events = events_of(trace, rank, thread=0)
    expect_to_nest(events)
    steps = [event for event in events if event["name"].startswith("step ")]
    assert [event["args"]["step"] for event in steps] == list(range(1, STEPS + 1))
    for step in steps:
        inside = [
            event
            for event in events
            if event is not step
            and step["ts"] - 0.002 <= event["ts"]
            and event["ts"] + event["dur"] <= step["ts"] + step["dur"] + 0.002
        ]
        assert {event["name"] for event in inside} <= set(PHASES)
        assert {"data", "forward", "backward", "exchange", "update"} <= {event["name"] for event in inside}
        assert sum(event["name"] == "forward" for event in inside) == 4  # its share of 8 micro-batches on 2 ranks
        assert sum(event["dur"] for event in inside) == pytest.approx(step["dur"], rel=0.01)


def test_the_trace_shows_the_saving_beside_the_steps(traced):
    trace = whole_trace(traced)
    names = {rank: [event["name"] for event in events_of(trace, rank, thread=1)] for rank in (0, 1)}
    assert names[0].count("publish") == 3 and names[1].count("publish") == 0
    for rank in (0, 1):
        assert names[rank].count("write") == names[rank].count("hash") == 3
    said = {event["args"]["name"] for event in trace if event["ph"] == "M"}
    assert {"training", "saving"} < said and any(name.startswith("rank 1 on ") for name in said)


def test_the_traces_of_a_killed_run_can_be_read_to_the_last_whole_step(settings, tmp_path):
    settings = settings | {"training.max_steps": 30, "training.epochs": 10, "run.trace": True}
    with Started(train_command(tmp_path / "run", 2, settings)) as started:
        started.wait_for_event("step", step=4)
        os.kill(started.process_of_rank(1), signal.SIGKILL)
        started.finish()
    assert not (tmp_path / "run" / "trace.json").exists()
    for rank in (0, 1):
        text = (tmp_path / "run" / "trace" / f"rank-{rank}.json").read_text()
        trace = json.loads(text.rstrip().rstrip(",") + "]")  # viewers accept the file without the closing bracket
        assert next(event["name"] for event in events_of(trace, rank, thread=0)) == "step 1"
        expect_to_nest(events_of(trace, rank, thread=0))


def test_a_trace_ends_after_200_steps_and_the_run_goes_on(mlp, tmp_path):
    settings = mlp | {
        "training.max_steps": 210,
        "training.epochs": 20,
        "run.trace": True,
        "training.evaluate_every_epochs": 0,
        "checkpoint.every_epochs": 0,
    }
    train(tmp_path / "run", 1, settings)
    steps = [event for event in whole_trace(tmp_path / "run") if event["name"].startswith("step ")]
    assert len(steps) == 200 and result_of(tmp_path / "run")["steps"] == 210
