"""Reading small JPEGs: images per second compared with libjpeg-turbo alone and with torchvision's DataLoader, and how
long a step waits for them.

lockstep reads with 1 and with 2 loader threads (build/bin/decode_bench), torchvision with 2 workers. All read each
image anew, decode it, crop it with a padding of 4, flip it at random and normalise it into batches of 32. In the
comparison with libjpeg-turbo, whose images are in memory, lockstep reads them from a tar file; in the comparison with
torchvision each image is a file. Without --data the images are generated here. The wait is the phase `data` in the
result.json of a training on the same images."""

import json
import tarfile
import tempfile
import time
from pathlib import Path

from tests.performance.commands import (
    TITLES,
    add_run_options,
    at_least,
    lockstep_command,
    program_named,
    shown,
    steps_of,
)
from tests.performance.measuring import (
    alternate,
    figures_of,
    lines_of,
    medians_of,
    require_programs,
    result_of,
    row,
    run_folder,
    spread,
)

EXAMPLES = ("loader --rounds 3", "loader --data FOLDER")
TEST_IMAGES = 10
PHASES_OF_A_STEP = ("data_ms", "forward_ms", "backward_ms", "exchange_ms", "update_ms", "other_ms")


def add_options(parser):
    add_run_options(parser, models=("resnet20",))
    parser.add_argument(
        "--data", type=Path, help="train/CLASS/*.jpg and test/CLASS/*.jpg, of one size, instead of drawn ones"
    )
    parser.add_argument("--images", type=at_least(1), default=4096, help="how many are drawn without --data (4096)")
    parser.add_argument("--workers", type=at_least(1), default=2, help="of torchvision (2)")


def drawn(folder, count):
    """Coloured pictures of 32 x 32 pixels as JPEGs."""
    from tests.support.image_files import tree, write_folder

    return write_folder(folder, tree(train=count, test=TEST_IMAGES, classes=tuple("abcdefghij")))


def in_a_tar_file(data, path):
    with tarfile.open(path, "w") as tar:
        for part in ("train", "test"):
            tar.add(data / part, part)
    return path


def images_per_second(options, data, benchmarks):
    """{name of the benchmark: images a second}"""
    command = [
        program_named("decode_bench"),
        data,
        f"--benchmark_filter={benchmarks}",
        "--benchmark_format=json",
        "--benchmark_min_time=1",
    ]
    said = "\n".join(line for _, line in lines_of(command, options.timeout))
    return {result["name"].split("/")[0]: result["items_per_second"] for result in json.loads(said)["benchmarks"]}


def torchvision(options, data):
    """Images per second over one pass, after a first batch that starts the workers."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import datasets, transforms

    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26)),
        ]
    )
    torch.set_num_threads(1)
    images = datasets.ImageFolder(Path(data) / "train", transform)
    batches = iter(DataLoader(images, batch_size=32, shuffle=True, num_workers=options.workers))
    next(batches)
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in batches)
    return {"images_per_second": count / (time.perf_counter() - start)}


def rates(options, data, tar):
    def of_lockstep():
        return images_per_second(options, tar, "alone|micro_batch") | images_per_second(options, data, "two_threads")

    sides = {"lockstep": of_lockstep, "torchvision": lambda: torchvision(options, data)}
    runs = alternate(
        options.rounds,
        sides,
        lambda turn: "images/s: " + ", ".join(f"{side} {list(run.values())[-1]:.0f}" for side, run in turn.items()),
    )
    medians = {name: spread(run[name] for run in runs["lockstep"])["median"] for name in runs["lockstep"][0]}
    return runs, medians | {"torchvision": spread(run["images_per_second"] for run in runs["torchvision"])["median"]}


def rate_rows(options, of):
    floor, ours = of["libjpeg_turbo_alone"], of["into_a_micro_batch"]
    two, peer = of["loader_of_two_threads"], of["torchvision"]
    yield row(
        "small JPEGs of a tar file into a micro-batch on one core, beside libjpeg-turbo's decoding alone",
        ours / floor,
        f"{ours:.0f} and {floor:.0f} images/s: {ours / floor:.2f} of it",
        ("at least", 0.8),
    )
    yield row(
        f"small JPEGs with 2 loader threads, beside torchvision with {options.workers} workers",
        two / peer,
        f"{two:.0f} and {peer:.0f} images/s: {two / peer:.2f} times",
        ("at least", 3.0),
    )


def command(options, model, data, folder="FOLDER"):
    """The command of a training without evaluation, so that neither that nor the check of all images is measured."""
    return lockstep_command(
        options,
        model,
        options.ranks,
        folder,
        f"data.path={data}",
        f"data.test_samples={TEST_IMAGES}",
        f"training.epochs={steps_of(options, model)}",
    )


def one_wait(options, model, data):
    with run_folder(options, model) as folder:
        lines_of(command(options, model, data, folder), options.timeout)
        result = result_of(folder)
    phases = result["phases_ms"]
    wait, step = phases["data_ms"], sum(phases[name] for name in PHASES_OF_A_STEP)
    return {"data_ms": wait, "step_ms": step, "share_percent": 100 * wait / step}


def wait_part(options, model, data):
    runs = alternate(
        options.rounds,
        {"wait": lambda: one_wait(options, model, data)},
        lambda turn: f"{model}, % of a step: {figures_of(turn, 'share_percent')}",
    )
    share, wait, step = (medians_of(runs, key)["wait"]["median"] for key in ("share_percent", "data_ms", "step_ms"))
    return {
        "rows": [
            row(
                f"waiting for small JPEGs: {TITLES[model]}, {options.ranks} ranks, beside its step",
                share,
                f"{wait:.2f} of {step:.0f} ms: {share:.2f} %",
                ("below", 1.0),
                "below 1 %",
            )
        ],
        "runs": runs,
        "settings": {"lockstep": shown(command(options, model, options.data or "DATA"))},
    }


def measure(options):
    require_programs(program_named("decode_bench"), program_named("lockstep"), program_named("lockstep-worker"))
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or drawn(Path(folder), options.images)
        runs, medians = rates(options, data, in_a_tar_file(data, Path(folder) / "images.tar"))
        yield (
            "loader/rates",
            {
                "rows": list(rate_rows(options, medians)),
                "images_per_second": medians,
                "runs": runs,
                "settings": {"data": "drawn" if not options.data else str(options.data)},
            },
        )
        for model in options.models:
            yield f"loader/{model}", wait_part(options, model, data)
