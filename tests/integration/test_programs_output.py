"""What a run prints: JSON in a pipe, text for people on a terminal."""

import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import termios

import pytest

from tests.support.launching import Started, result_of, train, train_command

STEPS = 12


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {"training.max_steps": STEPS, "data.test_samples": 100}


EVENTS = {
    "map": {"ranks"},
    "start": {"run", "step", "last_step", "ranks", "plan_hash"},
    "step": {"step", "epoch", "loss", "learning_rate", "step_ms", "images_per_second"},
    "evaluation": {"step", "epoch", "test_accuracy", "test_loss"},
    "checkpoint": {"step", "state_hash"},
    "result": {"state_hash", "weights_hash", "steps", "ranks", "test_accuracy"},
}


def test_in_a_pipe_every_line_is_a_json_object_and_nothing_else_is_printed(settings, tmp_path):
    outcome = train(tmp_path / "run", 2, settings)
    assert {event["event"] for event in outcome.events} == EVENTS.keys()
    for event in outcome.events:
        assert EVENTS[event["event"]] <= event.keys(), event
    assert [event["step"] for event in outcome.events if event["event"] == "step"] == list(range(1, STEPS + 1))
    assert "\r" not in outcome.stdout and "\x1b" not in outcome.stdout


def test_step_lines_come_as_the_steps_are_done(settings, tmp_path):
    endless = settings | {"training.max_steps": 1_000_000, "training.epochs": 1_000_000}
    with Started(train_command(tmp_path / "run", 2, endless)) as started:
        started.wait_for_event("step", step=3)
        assert started.process.poll() is None


def on_a_terminal(argv, columns, environment=None):
    """(exit code, everything that the program printed on a terminal of this width)"""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [str(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=end,
        stderr=end,
        env=os.environ | {"TERM": "xterm"} | (environment or {}),
        start_new_session=True,
    )
    os.close(end)
    text = b""
    try:
        while more := os.read(terminal, 1 << 16):
            text += more
    except OSError:
        pass  # a terminal reports this way that its other end is closed
    os.close(terminal)
    return process.wait(30), text.decode()


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_on_a_terminal_a_bar_of_its_width_shows_how_far_the_run_is(resnet, tmp_path, columns):
    settings = resnet | {"training.max_steps": 6}
    exit_code, text = on_a_terminal(train_command(tmp_path / "run", 2, settings), columns)
    assert exit_code == 0, text
    bars = [line for line in re.split("[\r\n]", text) if line.startswith("epoch ")]
    assert len(bars) >= 2, text
    last = bars[-1]
    for shown in (r"epoch \d+/\d+", r"step +6/6", r"\d+ images/s", r"ETA +\d+:\d\d", r"loss +\d+\.\d+"):
        assert re.search(shown, last), last
    assert all(len(bar) < columns for bar in bars), bars
    assert ("#" in last) == (columns >= 80)
    assert '{"event"' not in text
    for name, line in zip(("test accuracy", "state hash", "run folder"), text.splitlines()[-3:], strict=True):
        assert line.startswith(name), text
    assert result_of(tmp_path / "run")["state_hash"] in text


def test_no_color_and_dumb_terminals_get_no_escapes(settings, tmp_path):
    for number, environment in enumerate(({"NO_COLOR": "1"}, {"TERM": "dumb"})):
        exit_code, text = on_a_terminal(train_command(tmp_path / str(number), 1, settings), 80, environment)
        assert exit_code == 0 and "\x1b" not in text


def test_a_person_reads_before_the_first_step_where_the_ranks_run(settings, tmp_path):
    _, text = on_a_terminal(train_command(tmp_path / "run", 2, settings), 80)
    before, _ = re.split(r"epoch \d", text, maxsplit=1)
    assert re.search(rf"^{socket.gethostname()}: ranks 0-1, cores [-,0-9]+ \| cpu ", before, re.MULTILINE), text


def test_a_finished_run_tells_a_person_that_nothing_is_left_to_do(settings, tmp_path):
    train(tmp_path / "run", 1, settings)
    exit_code, text = on_a_terminal(train_command(tmp_path / "run", 1, settings), 80)
    assert exit_code == 0 and "nothing is left to do" in text
