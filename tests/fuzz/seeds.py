"""Writes small valid inputs for each target, which libFuzzer and fuzz_replay then mutate: python -m tests.fuzz.seeds
FOLDER."""

import json
import struct
import sys
from pathlib import Path

from tests.fuzz.data_seeds import cifar, idx_folders, image_folders, images, packed_files, tars

ROOT = Path(__file__).resolve().parents[2]


def configurations():
    for path in sorted((ROOT / "configs").glob("**/*.toml")):
        yield path.read_bytes()
    yield b'template = "fast"\nconfig_version = 1\n[data]\nmean = [0.5, 1e-1]\n[model]\nhidden_sizes = []\n'
    yield b"training.epochs = 3\ntraining = 3\nlearning_rate = inf\n[optimizer]\nlr = 0x10\nname.x.y = 1979-05-27\n"


def overrides():
    yield b"training.batch_size=3\nmodel.name=resnet18\ndata.mean=[0.5,0.2]\nema,mixup"
    yield b"learning_rate=1e-3\ntemplate=fast\nschedule.milestones=[1,2]\nlearnin_rate"
    yield b'optimizer.momentum=\'x\'\nrun.output="a\\u00e4"\ndata.path="""x"""\ntraining.epoch'


def plans():
    yield b'{"training":{"epochs":3},"model":{"hidden_sizes":[1,2],"name":"mlp"},"run":{"trace":false}}'
    yield b'{"run":{"seed":1.5},"data":{"mean":[0.5,1e300]},"optimizer":{"learning_rate":"auto"}}'


def imports():
    advanced = {"adam": {"beta1": 0.9}}
    yield (
        b"\0"
        + json.dumps(
            {
                "hyperparameters": {
                    "learning_rate": 0.001,
                    "optimizer": "AdamW",
                    "batch_size": 64.0,
                    "optimizer_advanced": advanced,
                },
                "model": {"name": "resnet18"},
                "schedule": {"milestones": [1, 2]},
            }
        ).encode()
    )
    yield (
        b"\1"
        + json.dumps(
            {
                "x": {"y": [1, 2, {"z": None}]},
                "epochs": 3,
                "lr": 1e-3,
                "dataset": "/data",
                "scheduler": "CosineAnnealingLR",
                "swa": True,
                "gradient_clip": 1,
            }
        ).encode()
    )


def statuses():
    gpu = {
        "index": 0,
        "uuid": "GPU-1",
        "address": "0000:18:00",
        "host_gpus": ["GPU-1", "GPU-2"],
        "shown": "0",
        "health": {"told": True, "temperature_celsius": 80.5, "throttling": ["thermal"], "xids": [79]},
    }
    status = {
        "rank": 0,
        "host": "n1",
        "pid": 7,
        "beat": 9,
        "written": 1.5,
        "state": 0,
        "step": 4,
        "phase": "forward",
        "phase_seconds": 2.5,
        "usual_seconds": 0.1,
        "awaits": [-1, 1],
        "ready": True,
        "cores": 0.5,
        "step_ms": 30.0,
        "usual_step_ms": 10.0,
        "compute_ms": 4.0,
    }
    later = status | {"beat": 12, "phase_seconds": 500.0}
    other = {"rank": 1, "host": "n2", "state": 2, "exit_code": 9, "signal": 0, "gpu": gpu, "gpu_failure": "lost"}
    lines = [
        status,
        later,
        other,
        other,
        status | {"rank": 2, "state": 1, "on_disk": True},
        later | {"rank": 2, "state": 2, "signal": 9, "out_of_memory": True},
    ]
    yield "\n".join(map(json.dumps, lines)).encode()
    yield "\n".join(json.dumps(line | {"awaits": [2]}) for line in lines).encode()


def set_asides():
    yield json.dumps(
        {
            "hosts": [{"host": "n1", "rank": 3, "step": 5, "why": "computes wrong"}],
            "gpus": [
                {
                    "host": "n1.cluster",
                    "uuid": "GPU-1",
                    "address": "0000:18:00",
                    "rank": 0,
                    "step": 2,
                    "why": "lost",
                    "host_gpus": ["GPU-1", "GPU-2"],
                    "shown": "0,1",
                    "shown_alone": False,
                    "launched_as": "localhost",
                }
            ],
        }
    ).encode()


def manifests():
    yield json.dumps(
        {
            "arrays": {"weights": "0" * 32},
            "config": {"run": {"seed": 1}},
            "format": 1,
            "step": 4,
            "decisions": {"best": 0.5},
            "manifest_hash": "0" * 32,
        }
    ).encode()
    yield b'{"format":1,"step":null,"x":[[[{}]]]}'


def safetensors():
    header = json.dumps(
        {
            "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},
            "b": {"dtype": "I64", "shape": [], "data_offsets": [16, 24]},
            "__metadata__": {"format": "pt"},
        }
    ).encode()
    yield bytes([24 << 1 | 1]) + header + bytes(24)
    yield b"\0" + struct.pack("<Q", len(header)) + header + bytes(24)


def metrics():
    lines = [{"step": step, "epoch": 1, "loss": 0.5, "learning_rate": 1e-3} for step in range(1, 5)]
    yield "".join(json.dumps(line) + "\n" for line in [*lines, {"step": 4, "test_accuracy": 0.5}]).encode()
    yield json.dumps({"epochs": 3, "max_steps": 0, "steps": 12, "state_hash": "0" * 32}).encode()


def hosts():
    yield b"a:8,b:8"
    yield b"n-1.cluster,10.0.0.2:1048575"


def hostfiles():
    yield b"a slots=8\nb:2 max_slots=3 # c\n\nc\nc\n"


def slurm_variables():
    yield b"\1\x10SLURM_TASKS_PER_NODE=2(x2)\nSLURM_JOB_CPUS_PER_NODE=16,8\nSLURM_GPUS_PER_NODE=h100:8\n"
    yield b"\0\x61SLURM_ARRAY_JOB_ID=5\nSLURM_ARRAY_TASK_ID=2\nSLURM_NTASKS=2\nSLURM_RESTART_COUNT=1\nn:1"
    yield b"\3\0SLURM_GPUS=16\nSLURM_STEP_NUM_TASKS=2\n"


def scontrol():
    yield b"JobState=PREEMPTED BatchFlag=1 Requeue=1 PreemptTime=None Reason=TimeLimit"
    yield b"KillWait = 30 sec\nPreemptType = preempt/qos\nGraceTime=60 PreemptMode=REQUEUE"


def batch_jobs():
    yield b"\1name\0" + b"1-12:30:00\0gpu\0runs/1\0--constraint=h100\0train\0--x\0a b"
    yield b"\6" + b"\0".join([b"{{output}}", b"90:00", b"", b"runs/$(id) 'x'", b'--comment="a" # b'])


def visible_gpus():
    yield b"0,1, 7x,GPU-8f6c,MIG-1/2"


MADE = {
    "batch_job": batch_jobs,
    "cifar": cifar,
    "hostfile": hostfiles,
    "hosts": hosts,
    "idx": idx_folders,
    "image": images,
    "image_folder": image_folders,
    "import": imports,
    "manifest": manifests,
    "metrics": metrics,
    "overrides": overrides,
    "packed": packed_files,
    "plan": plans,
    "safetensors": safetensors,
    "scontrol": scontrol,
    "set_aside": set_asides,
    "slurm_variables": slurm_variables,
    "statuses": statuses,
    "tar": tars,
    "toml": configurations,
    "visible_gpus": visible_gpus,
}


# Values are walked recursively. These nest deeper than the stack allows: as a whole, and below each key that is read.
DEEP = b"[" * 100_000 + b"]" * 100_000
DEEPER_THAN_A_STACK = {
    "import": [b"\0" + DEEP, b'\1{"x":' + DEEP + b"}"],
    "manifest": [DEEP, b'{"format":' + DEEP + b"}", b'{"manifest_hash":' + DEEP + b"}"],
    "metrics": [b'{"step":' + DEEP + b"}", b'{"epochs":' + DEEP + b"}"],
    "overrides": [b"data.mean=" + DEEP, b"x." * 100_000 + b"x=1"],
    "plan": [DEEP, b'{"run":' + DEEP + b"}"],
    "safetensors": [b"\1" + DEEP, b'\1{"a":{"dtype":"F32","shape":' + DEEP + b',"data_offsets":[0,0]}}'],
    "set_aside": [DEEP, b'{"hosts":[{"host":' + DEEP + b"}]}"],
    "statuses": [b"\n" + DEEP, b'\n{"rank":' + DEEP + b"}"],
    "toml": [
        b"[data]\nmean = " + DEEP,
        b"a." * 100_000 + b"a = 1",
        b"[" + b"a." * 100_000 + b"a]",
        b"a = " + b"{a = " * 40_000,
    ],
}


def write(folder):
    """A folder for each target, with a file for each seed."""
    for target, made in MADE.items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate([*made(), *DEEPER_THAN_A_STACK.get(target, [])]):
            (folder / target / f"seed-{number}").write_bytes(content)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
