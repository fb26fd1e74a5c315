"""The training measure with all programs replaced by scripts that print what a run would print, and what all measures
share. Nothing is measured here."""

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.performance import bench, commands, measuring, training

RESULT = {
    "state_hash": "0" * 31 + "1",
    "weights_hash": "2" * 32,
    "steps": 10,
    "ranks": 2,
    "test_accuracy": 0.5,
    "images_per_second": 800.0,
    "step_ms_median": 320.0,
    "seconds": 4.0,
}
PEER_LINE = {
    "model": "mlp",
    "ranks": 2,
    "batch": 256,
    "steps": 10,
    "threads_per_rank": 1,
    "images_per_s": 400.0,
    "ms_per_step": 640.0,
    "ms_per_step_mean": 650.0,
    "test_accuracy": 0.5,
}


def shell(script):
    return ["bash", "-c", script]


def writing(folder, result):
    return shell(f"mkdir {folder} && echo {shlex.quote(json.dumps(result))} > {folder}/result.json")


def saying(line):
    """A script that prints `line`, with the allocator that it finds, as the peer does."""
    plain, preloaded = (shlex.quote(json.dumps(line | {"allocator": name})) for name in ("the C library's", "jemalloc"))
    return f'echo warming up; if [ "$LD_PRELOAD" ]; then echo {preloaded}; else echo {plain}; fi'


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Measures the training of the mlp. `lockstep(ranks, folder)` gives the command that stands for lockstep."""
    for name in ("lockstep", "lockstep-worker"):
        (tmp_path / name).write_text("#!/bin/bash\necho fake\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr(measuring, "PROGRAMS", tmp_path)

    def usual(ranks, folder):
        return writing(folder, RESULT | {"ranks": ranks})

    says_its_line = saying(PEER_LINE)

    def run(*arguments, lockstep=usual, peer=says_its_line):
        monkeypatch.setattr(training, "lockstep_command", lambda options, model, ranks, folder: lockstep(ranks, folder))
        monkeypatch.setattr(training, "peer_command", lambda options, model: shell(peer))
        output = tmp_path / "bench" / "results.json"
        status = bench.main(["training", "--models", "mlp", "--steps", "10", "--output", str(output), *arguments])
        return status, json.loads(output.read_text())["training/mlp"] if output.exists() else None

    return run


def test_a_part_holds_medians_spread_rows_and_what_they_were_taken_on(run, tmp_path):
    rates = iter([810.0, 700.0, 800.0])
    status, part = run(lockstep=lambda ranks, folder: writing(folder, RESULT | {"images_per_second": next(rates, 0)}))
    assert status == 0
    assert part["images_per_second"]["lockstep"] == {"median": 800.0, "lowest": 700.0, "highest": 810.0}
    assert [(row["value"], row["goal"], row["met"]) for row in part["rows"]] == [
        (2.0, "at least 2", True),
        (2.0, "above 1", True),
    ]
    assert part["rows"][0]["figure"] == "800 and 400 images/s: 2.00 times"
    assert part["step_time_ratio"] == 2.0 and [len(runs) for runs in part["runs"].values()] == [3, 3, 3]
    assert part["settings"]["configuration"]["model"]["name"] == "mlp"
    assert part["machine"]["usable_cores"] >= 1 and part["machine"]["torch"]
    assert part["command"].startswith(".venv/bin/python3 -m tests.performance.bench training --models mlp")
    assert [path.name for path in (tmp_path / "bench").iterdir()] == ["results.json"]


def test_the_three_programs_take_turns(run, tmp_path):
    journal = tmp_path / "journal"

    def ours(ranks, folder):
        return shell(f"echo -n A >> {journal}; {writing(folder, RESULT)[2]}")

    theirs = f'[ "$LD_PRELOAD" ] && echo -n C >> {journal} || echo -n B >> {journal}; {saying(PEER_LINE)}'
    assert run(lockstep=ours, peer=theirs)[0] == 0
    assert journal.read_text() == "ABCABCABC"


def test_a_peer_on_another_allocator_than_it_was_given_is_not_measured(run, capfd):
    peer = f"echo {shlex.quote(json.dumps(PEER_LINE | {'allocator': 'the C library' + chr(39) + 's'}))}"
    assert run(peer=peer)[0] == measuring.RUN_FAILED
    assert "not on jemalloc" in capfd.readouterr().err


def test_a_missed_goal_is_no_failure_but_is_said(run, capfd):
    status, part = run(lockstep=lambda ranks, folder: writing(folder, RESULT | {"images_per_second": 480.0}))
    assert status == 0 and [row["met"] for row in part["rows"]] == [False, True]
    assert "at least 2: MISSED" in capfd.readouterr().out


def test_a_run_that_fails_is_shown_with_its_last_words(run, capfd):
    status, part = run(lockstep=lambda ranks, folder: shell("echo the disk is full >&2; exit 4"))
    assert status == measuring.RUN_FAILED and part is None
    assert "exit status 4" in (said := capfd.readouterr().err) and "the disk is full" in said


@pytest.mark.parametrize(
    "peer, message",
    [
        ("echo done", "not JSON"),
        ("true", "no output"),
        ("echo '{\"ranks\": 2}'", "lacks images_per_s"),
        (saying(PEER_LINE | {"ranks": 1}), "ranks = 1, but was asked for 2"),
    ],
)
def test_a_peer_that_says_nothing_usable_is_named(run, capfd, peer, message):
    assert run(peer=peer)[0] == measuring.RUN_FAILED
    assert message in capfd.readouterr().err


def test_a_missing_result_file_is_named(run, capfd):
    assert run(lockstep=lambda ranks, folder: shell("true"))[0] == measuring.RUN_FAILED
    assert "result.json" in capfd.readouterr().err


def test_a_program_that_is_not_built_is_named_with_the_remedy(run, capfd, monkeypatch, tmp_path):
    (tmp_path / "lockstep-worker").unlink()
    assert run()[0] == measuring.CANNOT_START
    assert "ninja -C build lockstep-worker" in capfd.readouterr().err


def test_a_run_that_does_not_end_is_given_up(run, capfd):
    def never(ranks, folder):
        return ["tail", "-f", "/dev/null"]

    assert run("--timeout", "0.2", lockstep=never)[0] == measuring.RUN_FAILED
    assert "no end within 0.2 s" in capfd.readouterr().err


def test_two_runs_that_end_in_different_states_are_a_failure_of_their_own(run, capfd):
    hashes = iter("ab")

    def ours(ranks, folder):
        return writing(folder, RESULT | {"state_hash": next(hashes)})

    assert run("--rounds", "2", lockstep=ours)[0] == measuring.HASHES_DIFFER
    assert "different states" in capfd.readouterr().err


@pytest.mark.parametrize("hash_on_1_rank, status", [(RESULT["state_hash"], 0), ("other", measuring.HASHES_DIFFER)])
def test_check_equal_compares_with_the_state_hash_of_one_rank(run, hash_on_1_rank, status):
    def ours(ranks, folder):
        return writing(folder, RESULT | {"ranks": ranks} | ({"state_hash": hash_on_1_rank} if ranks == 1 else {}))

    assert run("--rounds", "1", "--check-equal", lockstep=ours)[0] == status


def test_the_commands_start_both_programs_with_the_same_steps_batch_and_ranks():
    options = bench.parser().parse_args(["training", "--steps=300", "--ranks=3", "--set=training.micro_batch_size=64"])
    ours = commands.lockstep_command(options, "mlp", 3, "out")
    theirs = commands.peer_command(options, "mlp")
    assert {"training.max_steps=300", "training.batch_size=256", "training.epochs=2"} <= set(ours)
    assert ours[ours.index("--ranks") + 1] == theirs[theirs.index("--nproc-per-node") + 1] == "3"
    assert ours[-2:] == ["--set", "training.micro_batch_size=64"]
    assert theirs[theirs.index("--steps") + 1] == "300" and theirs[0] == sys.executable


def test_each_model_has_a_configuration_steps_a_goal_and_a_title():
    assert commands.STEPS.keys() == training.GOALS.keys() == commands.TITLES.keys()
    assert all(f'name = "{model}"' in commands.config_of(model).read_text() for model in commands.STEPS)


@pytest.mark.parametrize("line", [*bench.SHORT, *bench.ALL, *(e for m in bench.MEASURES.values() for e in m.EXAMPLES)])
def test_every_example_and_every_line_of_short_and_all_is_a_correct_command(line):
    assert bench.parser().parse_args(shlex.split(line)).measure in bench.MEASURES


@pytest.mark.parametrize("measure", [*bench.MEASURES, "short", "all"])
def test_every_measure_explains_itself_with_examples(measure, capsys):
    with pytest.raises(SystemExit) as left:
        bench.main([measure, "--help"])
    assert left.value.code == 0 and "example" in capsys.readouterr().out


def test_short_goes_on_after_a_failure_and_ends_with_its_status(monkeypatch, tmp_path):
    done = []

    def do(arguments):
        done.append(arguments[0])
        if arguments[0] == "training":
            raise measuring.Failure(measuring.RUN_FAILED, "not today")

    monkeypatch.setattr(bench, "do", do)
    assert bench.main(["short"]) == measuring.RUN_FAILED
    assert done == [line.split()[0] for line in bench.SHORT]


def test_a_measure_that_is_ended_ends_what_it_started():
    """The measured program reports its process id; then the benchmark sends itself SIGTERM."""
    measure = (
        "import os; from tests.performance import bench, measuring\n"
        "def ended(process, line):\n"
        "    print(line, flush=True)\n"
        "    os.kill(os.getpid(), 15)\n"
        "command = ['bash', '-c', 'echo $$; exec tail -f /dev/null']\n"
        "bench.do = lambda arguments: measuring.lines_of(command, 60, watch=ended)\n"
        "bench.main(['growth'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", measure], cwd=measuring.ROOT, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert not Path(f"/proc/{done.stdout.strip()}").exists()


def test_what_was_printed_keeps_the_time_at_which_it_came():
    slow = "echo first; read -t 0.2 < <(tail -f /dev/null --pid=$$) || true; echo second"
    (first, a), (second, b) = measuring.lines_of(shell(slow), 10)
    assert (a, b) == ("first", "second") and second - first > 0.1


def test_settings_of_the_shell_that_would_slow_one_side_reach_none(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("MALLOC_CONF", "dirty_decay_ms:0")
    assert measuring.lines_of(shell('echo "$OMP_NUM_THREADS$MALLOC_CONF"'), 10)[0][1] == ""


def test_recording_replaces_the_part_of_that_name_and_keeps_the_others(tmp_path):
    path = tmp_path / "new" / "results.json"
    measuring.record(path, {"a": {"rows": [1]}, "b": {"rows": []}})
    measuring.record(path, {"a": {"rows": [2]}})
    assert measuring.read_results(path) == {"a": {"rows": [2]}, "b": {"rows": []}}


@pytest.mark.parametrize(
    "goal, value, met",
    [
        (("at least", 1.5), 1.5, True),
        (("at least", 1.5), 1.49, False),
        (("at most", 1.03), 1.03, True),
        (("at most", 1.03), 1.04, False),
        (("above", 1), 1, False),
        (("below", 1), 0.9, True),
        (None, 3, None),
    ],
)
def test_a_row_says_whether_its_goal_is_met(goal, value, met):
    assert measuring.row("a", value, "b", goal)["met"] is met
