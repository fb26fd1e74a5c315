"""The benchmark with both programs replaced by scripts that only say what a run would say."""
import json
import shlex
import sys

import bench
import pytest

RESULT = {"state_hash": "0" * 31 + "1", "weights_hash": "2" * 32, "steps": 10, "ranks": 2, "test_accuracy": 0.5,
          "images_per_second": 800.0, "step_ms_median": 320.0, "seconds": 4.0}
PEER_LINE = {"model": "mlp", "ranks": 2, "batch": 256, "steps": 10, "threads_per_rank": 1, "images_per_s": 400.0,
             "ms_per_step": 640.0, "ms_per_step_mean": 650.0, "test_accuracy": 0.5}


def shell(script):
    return ["bash", "-c", script]


def writing(folder, result):
    return shell(f"mkdir {folder} && echo {shlex.quote(json.dumps(result))} > {folder}/result.json")


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the benchmark of the mlp. `lockstep(ranks, folder)` gives the command that stands for lockstep."""
    program = tmp_path / "lockstep"
    for path in (program, tmp_path / "lockstep-worker"):
        path.write_text("#!/bin/bash\necho fake\n")
        path.chmod(0o755)
    monkeypatch.setattr(bench, "LOCKSTEP", program)
    said_by_peer = f"echo warming up; echo {shlex.quote(json.dumps(PEER_LINE))}"

    def run(*arguments, lockstep=lambda ranks, folder: writing(folder, RESULT | {"ranks": ranks}), peer=said_by_peer):
        monkeypatch.setattr(bench, "lockstep_command", lambda options, model, ranks, folder: lockstep(ranks, folder))
        monkeypatch.setattr(bench, "peer_command", lambda options, model: shell(peer))
        output = tmp_path / "bench" / "training.json"
        status = bench.main(["--models", "mlp", "--steps", "10", "--output", str(output), *arguments])
        return status, json.loads(output.read_text()) if output.exists() else None

    return run


def test_the_report_holds_medians_spread_and_the_ratio_of_medians(run, tmp_path):
    rates = iter([810.0, 700.0, 800.0])
    status, report = run(lockstep=lambda ranks, folder: writing(folder, RESULT | {"images_per_second": next(rates, 0)}))
    assert status == 0
    rate = report["models"]["mlp"]["lockstep"]["images_per_second"]
    assert rate == {"median": 800.0, "lowest": 700.0, "highest": 810.0}
    assert report["models"]["mlp"]["images_per_second_ratio"] == 2.0
    assert report["models"]["mlp"]["step_time_ratio"] == 2.0
    assert report["models"]["mlp"]["configuration"]["model"]["name"] == "mlp"
    assert report["machine"]["usable_cores"] >= 1 and report["machine"]["torch"]
    assert [path.name for path in (tmp_path / "bench").iterdir()] == ["training.json"]


def test_the_two_programs_take_turns(run, tmp_path):
    journal = tmp_path / "journal"
    ours = lambda ranks, folder: shell(f"echo -n A >> {journal}; {writing(folder, RESULT)[2]}")
    assert run(lockstep=ours, peer=f"echo -n B >> {journal}; echo {shlex.quote(json.dumps(PEER_LINE))}")[0] == 0
    assert journal.read_text() == "ABABAB"


def test_a_run_that_fails_is_shown_with_its_last_words(run, capfd):
    status, report = run(lockstep=lambda ranks, folder: shell("echo the disk is full >&2; exit 4"))
    assert status == bench.RUN_FAILED and report is None
    assert "exit status 4" in (said := capfd.readouterr().err) and "the disk is full" in said


@pytest.mark.parametrize("peer, message", [
    ("echo done", "not JSON"), ("true", "no output"), ("echo '{\"ranks\": 2}'", "lacks images_per_s"),
    (f"echo {shlex.quote(json.dumps(PEER_LINE | {'ranks': 1}))}", "ranks = 1, but was asked for 2")])
def test_a_peer_that_says_nothing_usable_is_named(run, capfd, peer, message):
    assert run(peer=peer)[0] == bench.RUN_FAILED
    assert message in capfd.readouterr().err


def test_a_missing_result_file_is_named(run, capfd):
    assert run(lockstep=lambda ranks, folder: shell("true"))[0] == bench.RUN_FAILED
    assert "result.json" in capfd.readouterr().err


def test_a_run_that_does_not_end_is_given_up(run, capfd):
    assert run("--timeout", "0.2", lockstep=lambda ranks, folder: ["tail", "-f", "/dev/null"])[0] == bench.RUN_FAILED
    assert "no end within 0.2 s" in capfd.readouterr().err


def test_two_runs_that_end_in_different_states_are_a_failure_of_their_own(run, capfd):
    hashes = iter("ab")
    ours = lambda ranks, folder: writing(folder, RESULT | {"state_hash": next(hashes)})
    assert run("--pairs", "2", lockstep=ours)[0] == bench.HASHES_DIFFER
    assert "different states" in capfd.readouterr().err


@pytest.mark.parametrize("hash_on_1_rank, status", [(RESULT["state_hash"], 0), ("other", bench.HASHES_DIFFER)])
def test_check_equal_compares_with_the_state_hash_of_one_rank(run, hash_on_1_rank, status):
    def ours(ranks, folder):
        return writing(folder, RESULT | {"ranks": ranks} | ({"state_hash": hash_on_1_rank} if ranks == 1 else {}))
    assert run("--pairs", "1", "--check-equal", lockstep=ours)[0] == status


def test_the_commands_start_both_programs_with_the_same_steps_batch_and_ranks():
    options = bench.options_from_command_line(["--steps=300", "--ranks=3", "--set=training.micro_batch_size=64"])
    ours = bench.lockstep_command(options, "mlp", 3, "out")
    theirs = bench.peer_command(options, "mlp")
    assert {"training.max_steps=300", "training.batch_size=256", "training.epochs=2"} <= set(ours)
    assert ours[ours.index("--ranks") + 1] == theirs[theirs.index("--nproc-per-node") + 1] == "3"
    assert ours[-2:] == ["--set", "training.micro_batch_size=64"]
    assert theirs[theirs.index("--steps") + 1] == "300" and theirs[0] == sys.executable
