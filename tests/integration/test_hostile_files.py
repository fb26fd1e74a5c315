"""Whatever is in place of a file that a command reads, the command reports it within 10 seconds and 1 GiB of memory.

It never crashes, reports an "internal error" (exit code 5), runs out of memory (8) or hangs.
"""

import os
import resource
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.image_files import encoded, picture, write_folder
from tests.support.launching import LOCKSTEP, MPI_ENVIRONMENT, QUICKSTART, WORKER, last_lines, set_options, train

SECONDS, BYTES = 20, 1 << 30  # an undisturbed command takes at most 10
DOCUMENTED = {0, 1, 2, 3, 4, 6, 7}
DEEP = 100_000


def as_bytes(content):
    return lambda path: path.write_bytes(content if isinstance(content, bytes) else content.encode())


# What may be in place of any file: its name, and what creates it.
ANYTHING = {
    "nothing in it": as_bytes(b""),
    "zeros": as_bytes(bytes(5000)),
    "random bytes": as_bytes(bytes(number * 7919 % 251 for number in range(5000))),
    "a text that is not UTF-8": as_bytes(b'{"a\xff": "\xc0\x80"}\n[a\xff]\n'),
    "a FIFO": os.mkfifo,
    "a folder": lambda path: path.mkdir(),
    "a file of zeros without end": lambda path: path.symlink_to("/dev/zero"),
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("gone"),
    "a large file": lambda path: os.truncate(path, 1 << 40) if path.write_bytes(b"{") else None,
}
JSON = ANYTHING | {
    "deep lists": as_bytes("[" * DEEP + "]" * DEEP),
    "deep objects": as_bytes('{"epochs":' * DEEP + "1" + "}" * DEEP),
    "deep below what is read": as_bytes(
        "".join(
            f'"{key}":{"[" * DEEP}{"]" * DEEP},'
            for key in ("epochs", "rank", "hosts", "gpus", "step", "model", "manifest_hash")
        ).join(["{", '"x":1}'])
    ),
    "numbers where objects are": as_bytes(
        '{"model":3,"hosts":5,"gpus":[7],"epochs":{},"step":null,"rank":"x","awaits":2}'
    ),
    "numbers out of range": as_bytes('{"epochs":1e300,"rank":1e99,"step":-1e400,"state":77,"awaits":[1e30],"pid":1.5}'),
    "cut short": as_bytes('{"epochs":1,"rank":0,"host":"n'),
}
TOML = ANYTHING | {
    "deep lists": as_bytes("[data]\nmean = " + "[" * DEEP),
    "deep inline tables": as_bytes("data = " + "{a=" * 40_000),
    "deep dotted keys": as_bytes("a." * DEEP + "a = 1\n"),
    "deep headers": as_bytes("[" + "a." * DEEP + "a]\nb = 1\n"),
    "wrong types": as_bytes(
        "training = 3\nmodel = [1]\n[data]\npath = 7\nmean = [[1]]\n[optimizer]\nname = 1979-05-27\n"
    ),
    "numbers out of range": as_bytes(
        "[training]\nepochs = 99999999999999999999\nbatch_size = -1\n[data]\nmean = [inf, nan]\n"
    ),
    "cut short": as_bytes('[training]\nepochs = 1\n[run]\nname = "abc'),
}
HOSTFILES = ANYTHING | {
    "many slots": as_bytes("a slots=1048576\nb slots=1048576\n"),
    "a slots without a number": as_bytes("a slots=\n"),
    "one long name": as_bytes("a" * 200_000),
}


class Ending:
    def __init__(self, what, command, environment):
        begin = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=os.environ | environment,
            start_new_session=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES)),
        )
        try:
            self.output = process.communicate(timeout=SECONDS)[0].decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            self.output = process.communicate()[0].decode(errors="replace")
        self.what, self.exit_code, self.seconds = what, process.returncode, time.monotonic() - begin

    def fault(self):
        """ "" or what is wrong with the outcome."""
        sound = self.exit_code in DOCUMENTED and self.seconds < SECONDS and "internal error" not in self.output
        said = self.exit_code == 0 or self.output.strip()
        if sound and said:
            return ""
        end = last_lines(self.output, 5)[-1000:]
        return f"{self.what}: exit code {self.exit_code} after {self.seconds:.1f} s\n{end}"


def faults_of(commands, at_once=8):
    """Runs {what: command or (command, environment)}; returns the faults of all.

    Several run at a time: some wait for a FIFO, or for two heartbeats of a sentinel.
    """

    def one(item):
        what, command = item
        return Ending(what, *command).fault() if isinstance(command, tuple) else Ending(what, command, {}).fault()

    with ThreadPoolExecutor(at_once) as pool:
        waiting_first = sorted(commands.items(), key=lambda item: "FIFO" not in item[0])
        return [fault for fault in pool.map(one, waiting_first) if fault]


def put(kinds, folder, name="file"):
    """{kind: its path}, each in a folder of its own."""
    paths = {}
    for number, (kind, make) in enumerate(kinds.items()):
        place = folder / f"{name}-{number}"
        place.mkdir(parents=True)
        make(place / name)
        paths[kind] = place / name
    return paths


def test_configurations_hostfiles_and_json_to_import_can_be_anything(tmp_path):
    commands = {}
    for kind, path in put(TOML, tmp_path / "toml").items():
        commands[f"validate {kind}"] = [LOCKSTEP, "validate", path]
        commands[f"explain {kind}"] = [LOCKSTEP, "explain", "training.epochs", path]
        commands[f"train {kind}"] = [LOCKSTEP, "train", path, "--dry-run", "--output", tmp_path / "none"]
        commands[f"submit {kind}"] = [LOCKSTEP, "submit", path, "--nodes", "1", "--dry-run"]
    for kind, path in put(JSON, tmp_path / "json").items():
        commands[f"import {kind}"] = [LOCKSTEP, "import", path, "--skip-unknown"]
    for kind, path in put(HOSTFILES, tmp_path / "hosts").items():
        commands[f"--hostfile {kind}"] = [
            LOCKSTEP,
            "train",
            "--dry-run",
            "--hostfile",
            path,
            "--output",
            tmp_path / "none",
            config(tmp_path),
        ]
    assert not (faults := faults_of(commands)), "\n".join(faults)


def config(folder):
    path = folder / "my.toml"
    path.write_text("[training]\nepochs = 1\n")
    return path


def test_options_can_be_anything(tmp_path):
    values = [
        "[" * DEEP,
        "{a=" * 20_000,
        "'",
        os.fsdecode(b'"\xff'),
        "1e999",
        "nan",
        "\x1b[31m",
        "9" * 20,
        "a." * 50_000,
    ]
    commands = {}
    for number, value in enumerate(values):
        for key in ("data.mean", "training.epochs", "model.name"):
            commands[f"--set {key} {number}"] = [LOCKSTEP, "validate", config(tmp_path), "--set", f"{key}={value}"]
        commands[f"name {number}"] = [LOCKSTEP, "explain", value]
        commands[f"--without {number}"] = [LOCKSTEP, "validate", config(tmp_path), "--without", value]
        commands[f"--hosts {number}"] = [LOCKSTEP, "train", config(tmp_path), "--dry-run", "--hosts", value]
        commands[f"--time {number}"] = [
            LOCKSTEP,
            "submit",
            config(tmp_path),
            "--nodes",
            "1",
            "--dry-run",
            "--time",
            value,
        ]
        commands[f"run {number}"] = [LOCKSTEP, "why", value]
        commands[f"file {number}"] = [LOCKSTEP, "import", value]
        commands[f"SLURM {number}"] = (
            [LOCKSTEP, "train", config(tmp_path), "--dry-run"],
            {"SLURM_JOB_ID": "17", "SLURM_JOB_NODELIST": value[:5000], "SLURM_TASKS_PER_NODE": value},
        )
    assert not (faults := faults_of(commands)), "\n".join(faults)


def test_data_can_be_anything(tmp_path):
    commands = {}

    def pack(what, data):
        commands[what] = [LOCKSTEP, "pack", data, tmp_path / f"out-{len(commands)}", "--set", "data.image_size=8"]

    for kind, path in put(ANYTHING, tmp_path / "data").items():
        pack(f"data.path is {kind}", path)
    for name in ("train-images-idx3-ubyte.gz", "data_batch_1.bin", "train"):
        for kind in ("a FIFO", "a folder", "a file of zeros without end", "a link in a circle"):
            (place := tmp_path / f"{name}-{len(commands)}").mkdir()
            ANYTHING[kind](place / name)
            pack(f"{name} is {kind}", place)
    good = encoded(picture(1, 9, 9), "png")
    folder = write_folder(tmp_path / "images", {f"{part}/a/good.png": good for part in ("train", "test")})
    for number, make in enumerate(ANYTHING.values()):
        make(folder / "train" / "a" / f"{number}.png")
    os.symlink(".", folder / "train" / "a" / "again")
    (folder / "train" / "a" / os.fsdecode(b"\xff\x1b[31m.png")).write_bytes(good)
    pack("images that are anything", folder)
    commands["and skipped"] = commands["images that are anything"] + ["--set", "data.damaged_images=skip"]
    assert not (faults := faults_of(commands)), "\n".join(faults)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, mlp):
    output = tmp_path_factory.mktemp("finished") / "run"
    train(output, 1, mlp | {"training.max_steps": 2, "checkpoint.every_steps": 1, "checkpoint.keep": 2})
    return output


def copies(finished, folder, name, kinds):
    """{kind: a copy of the run in which the file `name` is of that kind}"""
    runs = {}
    for number, (kind, make) in enumerate(kinds.items()):
        run = shutil.copytree(finished, folder / f"{name.replace('/', '-')}-{number}")
        (run / name).unlink(missing_ok=True)
        make(run / name)
        runs[kind] = run
    return runs


def test_why_can_read_anything_in_a_run_folder(tmp_path, finished):
    commands = {}
    for name in ("plan.json", "result.json", "status/rank-0.json", "status/rank-1.json", "status/set_aside.json"):
        for kind, run in copies(finished, tmp_path, name, JSON).items():
            commands[f"{name}: {kind}"] = [LOCKSTEP, "why", run]
    for kind, run in copies(finished, tmp_path, "resolved.toml", TOML).items():
        commands[f"resolved.toml: {kind}"] = [LOCKSTEP, "why", run]
        commands[f"eval, resolved.toml: {kind}"] = [LOCKSTEP, "eval", run, "--dry-run"]
        commands[f"verify, resolved.toml: {kind}"] = [LOCKSTEP, "verify", run, "--dry-run"]
    assert not (faults := faults_of(commands)), "\n".join(faults)


MANIFEST, WEIGHTS = (f"checkpoint/step-00000002/{name}" for name in ("manifest.json", "weights.safetensors"))
# (the command that reads it, the file in the run folder, its content)
IN_A_RUN = [
    ("resume", "metrics.jsonl", "numbers where objects are"),
    ("resume", "metrics.jsonl", "a FIFO"),
    ("resume", "plan.json", "a large file"),
    ("resume", "status/set_aside.json", "numbers where objects are"),
    ("resume", MANIFEST, "deep below what is read"),
    ("resume", WEIGHTS, "a folder"),
    ("--eval", MANIFEST, "a FIFO"),
    ("--eval", "plan.json", "deep below what is read"),
    ("--verify", "result.json", "deep below what is read"),
    ("--verify", "metrics.jsonl", "a large file"),
    ("--verify", "metrics.jsonl", "a FIFO"),
    ("--verify", MANIFEST, "numbers where objects are"),
]


def test_a_run_goes_on_or_is_refused_whatever_lies_in_its_folder(tmp_path, finished, mlp):
    settings = set_options(mlp | {"training.max_steps": 3, "checkpoint.every_steps": 1, "checkpoint.keep": 2})
    commands = {}
    for number, (task, name, kind) in enumerate(IN_A_RUN):
        [run] = copies(finished, tmp_path / str(number), name, {kind: JSON[kind]}).values()
        words = [QUICKSTART, *settings, "--output", run] if task == "resume" else [task, run]
        commands[f"{task}, {name}: {kind}"] = ([WORKER, *words], MPI_ENVIRONMENT)
    assert not (faults := faults_of(commands, at_once=os.cpu_count())), "\n".join(faults)
