"""The parts of check.py: what each checks on a machine with a GPU, and the seconds that it may take."""

import concurrent.futures
import json
import os
import shutil
import statistics
import sys
import time
from pathlib import Path

from tests.gpu.card import PREFIX, PROGRAMS, QUICKSTART, ROOT, Failed, hashes, mpirun, with_settings
from tests.gpu.features import FEATURES, SMALL, STAGED, TAUGHT

PARTS = {}  # name: (time limit in seconds, the function)


class Skipped(Exception):
    """Why a part cannot run here."""


def part(seconds):
    def add(function):
        PARTS[function.__name__] = (seconds, function)
        return function

    return add


@part(15)
def environment(card):
    """the GPU, its driver, and the versions of what computes"""
    query = "name,driver_version,memory.total,clocks.max.sm,ecc.errors.uncorrected.volatile.total,mig.mode.current"
    said = []
    if shutil.which("nvidia-smi"):
        said = card.require(["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader"]).stdout.splitlines()
    elif not PREFIX:
        raise Failed("nvidia-smi is not there (no driver of NVIDIA is installed)")
    build = card.require([*card.program("lockstep-worker"), "--version"]).stdout.strip()
    missing = [
        line.split()[0]
        for line in card.run(["ldd", PROGRAMS / "lockstep-worker"]).stdout.splitlines()
        if "not found" in line
    ]
    if missing:
        raise Failed(f"lockstep-worker lacks {', '.join(missing)} (install torch of PyPI with all it depends on)")
    card.note(gpus=said, build=build, cores=os.cpu_count())
    return "; ".join([*said, build])


@part(40)
def kernels(card):
    """our kernels beside the host, bit by bit, and their GB/s"""
    how = ["bits"] if PREFIX else []  # the speed of a simulated GPU means nothing
    outcome = card.run([*card.program("kernel_bits"), *how])
    lines = [json.loads(line) for line in outcome.stdout.splitlines() if line.startswith("{")]
    wrong = [line["kernel"] for line in lines if not line.get("equal", True)]
    for line in lines:
        if not line.get("equal", False):
            card.note(**line)
    if wrong or outcome.exit_code != 0:
        raise Failed(f"{len(wrong)} differ: {', '.join(wrong[:8])}" if wrong else outcome.last_words())
    speeds = [f"{line['kernel']} {line['gb_per_s']:.0f} GB/s" for line in lines if "gb_per_s" in line]
    return ", ".join([f"{sum('equal' in line for line in lines)} equal", *speeds])


@part(60)
def contract(card):
    """the contract of the transports, several ranks on one GPU"""
    for program, ranks in (
        ("nccl_gpu_contract_test", 1),
        ("staged_gpu_contract_test", 1),
        ("staged_gpu_contract_test", 2),
        ("staged_gpu_contract_test", 3),
    ):
        outcome = card.require([*mpirun(ranks), *card.program(program)])
        if "SKIPPED" in outcome.stdout or "PASSED" not in outcome.stdout:
            raise Failed(f"{program} on {ranks} ranks: {outcome.last_words()}")
    return "nccl on 1 rank, staged on 1, 2 and 3"


@part(60)
def start(card):
    """every command: train, eval, verify, check"""
    lockstep = card.program("lockstep")
    settings = SMALL | {"data.path": card.pictures(32), "checkpoint.every_steps": 2}
    run = card.folder / "run"
    words = with_settings(settings)
    begin = time.monotonic()
    card.require([*lockstep, "train", QUICKSTART, "--ranks", 1, "--output", run, "--fresh", *words])
    seconds = time.monotonic() - begin
    card.require([*lockstep, "eval", run, "--ranks", 1])
    card.require([*lockstep, "verify", run, "--ranks", 1])
    card.require([*lockstep, "check", QUICKSTART, "--ranks", 1, "--output", card.folder / "checked", *words])
    card.note(train_seconds=seconds)
    return f"train in {seconds:.1f} s, eval, verify, check"


@part(100)
def features(card):
    """every feature twice, with equal hashes"""
    path = {"data.path": card.pictures(32)}

    def twice(item):
        name, settings = item
        first, second = (hashes(card.train(f"{name}-{i}", path | settings)) for i in (1, 2))
        return name, first, second

    teacher = card.folder / "resnet20-1"  # the run folder of the first run
    wrong, seen = [], set()
    tried = {
        name: settings for name, settings in FEATURES.items() if not (PREFIX and name == "int8")
    }  # int8 reads results back, and simulated kernels compute none
    with concurrent.futures.ThreadPoolExecutor(max(1, min(4, (os.cpu_count() or 1) // 2))) as pool:
        done = list(pool.map(twice, tried.items()))
        done += pool.map(twice, [("taught", TAUGHT | {"distillation.teacher": str(teacher)})])
    for name, first, second in done:
        card.note(feature=name, state_hash=first[0], equal=first == second)
        seen.add(first)
        if first != second:
            wrong.append(name)
    if wrong:
        raise Failed(f"other bits the second time: {', '.join(wrong)}")
    if len(seen) < len(done) and not PREFIX:  # with simulated LibTorch kernels all losses are equal
        raise Failed("two features end in one state, so that one of them does nothing")
    return f"{len(done)} runs twice, the same bits"


@part(70)
def memory(card):
    """beside a program that leaves little memory: the same bits, or exit code 8"""
    if PREFIX:
        raise Skipped("the memory of a stand-in for a GPU is each process's own")
    settings = resnet50(card, 64) | {"training.max_steps": 3}
    alone = hashes(card.train("alone", settings))
    said = {}
    for mib in (16000, 8000, 6000, 3000):
        with card.started([sys.executable, "-m", "tests.gpu.hold_memory", mib]) as holder:
            if holder.stdout.readline().strip() != "held":
                raise Failed(f"the memory cannot be held: {holder.stderr.read()[-300:]}")
            name = f"beside-{mib}"
            outcome = card.run([*card.training(name, settings), "--fresh"])
            said[mib] = outcome.exit_code
            if outcome.exit_code == 0:
                if hashes(json.loads((card.folder / name / "result.json").read_text())) != alone:
                    raise Failed(f"other bits where {mib} MiB are left, with exit code 0")
            elif outcome.exit_code != 8 or "training.micro_batch_size" not in outcome.stderr:
                raise Failed(f"where {mib} MiB are left: {outcome.last_words()}")
    card.note(exit_codes=said)
    return ", ".join(f"{mib} MiB: {'the same bits' if code == 0 else 'exit code 8'}" for mib, code in said.items())


@part(60)
def ranks(card):
    """1, 2 and 3 ranks on one GPU, in float32 and with gradients of 16 bits"""
    formats = ["float32"] if PREFIX else ["float32", "bf16"]  # simulated LibTorch kernels do not round
    for gradients in formats:
        settings = (
            SMALL
            | STAGED
            | {
                "data.path": card.pictures(32),
                "distributed.gradient_format": gradients,
                "optimizer.name": "lamb",
                "optimizer.learning_rate": 3e-3,
            }
        )
        over_nccl = hashes(card.train(f"{gradients}-nccl", settings | {"distributed.gpu_transport": "nccl"}))
        for count in (1, 2, 3):
            if hashes(card.train(f"{gradients}-{count}", settings, count)) != over_nccl:
                raise Failed(f"other bits on {count} ranks with gradients in {gradients}")
    return f"staged on 1, 2 and 3 ranks as over nccl on 1, gradients in {' and '.join(formats)}"


@part(50)
def resume(card):
    """two kills and a resume, with the state of a run that nobody killed"""
    settings = SMALL | {
        "data.path": card.pictures(32),
        "training.epochs": 2,
        "training.max_steps": 12,
        "checkpoint.every_steps": 2,
    }
    whole = hashes(card.train("whole", settings))
    command = card.training("killed", settings)
    shutil.rmtree(card.folder / "killed", ignore_errors=True)
    for last in (4, 8):
        with card.started(command) as process:
            for line in process.stdout:
                event = json.loads(line) if line.startswith("{") else {}
                if event.get("event") == "step" and event["step"] >= last:
                    process.kill()
                    break
            else:
                raise Failed(f"the run ended before step {last}: {process.stderr.read()[-300:]}")
    card.require(command)
    if hashes(json.loads((card.folder / "killed" / "result.json").read_text())) != whole:
        raise Failed("other bits after two kills")
    return "killed at steps 4 and 8, the same bits"


def resnet50(card, micro_batch):
    return SMALL | {
        "data.path": card.pictures(224),
        "model.name": "resnet50",
        "training.batch_size": 256,
        "training.micro_batch_size": micro_batch,
        "training.epochs": 10,
        "training.max_steps": 14,
        "training.evaluate_every_epochs": 0,
        "checkpoint.every_epochs": 0,
        "augmentation.crop_padding": 0,
        "augmentation.random_resized_crop": True,
        "precision.mixed_precision": "bf16",
        "averaging.recompute_batch_norm": False,
        "data.loader_threads": max(1, min(12, (os.cpu_count() or 2) - 2)),
    }


@part(80)
def speed(card):
    """ResNet-50 at micro-batches of 32 to 256, with its phases"""
    said = []
    for micro_batch in (32, 64, 128, 256) if not PREFIX else (256,):  # without a GPU one run takes half a minute
        name = f"resnet50-{micro_batch}"
        card.train(name, resnet50(card, micro_batch))
        lines = [json.loads(line) for line in (card.folder / name / "metrics.jsonl").read_text().splitlines()]
        steps = [line for line in lines if "loss" in line][4:]
        phases = {key: statistics.median(step[key] for step in steps) for key in steps[0] if key.endswith("_ms")}
        images_per_second = 256 / phases["step_ms"] * 1e3
        card.note(micro_batch=micro_batch, images_per_second=images_per_second, **phases)
        said.append(f"{micro_batch}: {images_per_second:.0f} images/s")
    return ", ".join(said)


@part(75)
def peer(card):
    """plain PyTorch, and with cudnn.benchmark, at the same micro-batches"""
    if PREFIX:
        raise Skipped("PyTorch itself needs a GPU")
    program = ROOT / "tests" / "gpu" / "resnet50_peer.py"
    outcome = card.require([sys.executable, program, "--seconds", card.seconds_left() - 20])
    lines = [json.loads(line) for line in outcome.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        card.note(**line)
    return ", ".join(
        f"{line['batch']}{' benchmark' if line['benchmark'] else ''}: {line['images_per_second']:.0f} images/s"
        for line in lines
    )


@part(60)
def sanitizer(card):
    """compute-sanitizer, memcheck and racecheck, over our kernels"""
    program = shutil.which("compute-sanitizer") or "/usr/local/cuda/bin/compute-sanitizer"
    if PREFIX or not Path(program).is_file():
        raise Skipped("there is no compute-sanitizer (it comes with the CUDA toolkit)")
    for tool in ("memcheck", "racecheck"):
        card.require([program, "--tool", tool, "--error-exitcode", 9, *card.program("kernel_bits"), "bits"])
    return "memcheck and racecheck find nothing"
