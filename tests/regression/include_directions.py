"""Each folder includes only itself and the folders below it, and torch and MPI are included only where allowed."""

import re
from pathlib import PurePath

from sources import CPP, finish, tracked

# From the lowest layer up. A single file may be a layer of its own.
LAYERS = [
    "common",
    "configs",
    "collectives",
    "worker/files",
    "worker/watch",
    "worker/ranks",
    "worker/models",
    "worker/data",
    "worker/state",
    "worker/optim",
    "worker/checkpoint",
    "worker/step",
    "worker/evaluation",
    "worker/audit",
    "worker/controller",
    "worker/check",
    "worker",
    "launcher",
    "launcher/commands",
    "launcher/main.cpp",
]
ROOTS = {layer.split("/")[0] for layer in LAYERS}
# Folders below them that these must not include either.
NOT_INCLUDED = {"collectives": {"configs"}, "launcher": {"collectives", "worker"}}
TORCH = ("torch/", "ATen/", "c10/", "caffe2/")
MPI = ("mpi.h", "mpi-ext.h")
FORBIDDEN = {
    "common": TORCH + MPI,
    "configs": TORCH + MPI,
    "collectives": TORCH,
    "launcher": TORCH + MPI,
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The number of the path's layer, or None for a file in no layer."""
    names = (str(path), str(path.parent))
    return next((LAYERS.index(name) for name in names if name in LAYERS), None)


def problem_of_own(path, included):
    """What is wrong with an include in quotes, or None."""
    root, included_root = path.parts[0], included.parts[0]
    layer, included_layer = layer_of(path), layer_of(included)
    if included_layer is None:
        return "our own headers are included by paths from the root of the repository, from the folders in LAYERS"
    if included_layer > layer:
        return f"{LAYERS[layer]} comes before {LAYERS[included_layer]}: the include runs against the order"
    if included_root in NOT_INCLUDED.get(root, ()):
        return f"{root}/ does not include {included_root}/"
    return None


def problems_of(path):
    if layer_of(path) is None:
        yield f"{path}: {path.parent}/ has no place in the order (LAYERS in include_directions.py)"
        return
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = PurePath(match.group(2))
        place = f"{path}:{number}: {included}"
        if match.group(1) == '"':
            problem = problem_of_own(path, included)
            if problem:
                yield f"{place} ({problem})"
        elif included.parts[0] in ROOTS:
            yield f'{place} (our own headers are included with "")'
        if str(included).startswith(FORBIDDEN.get(path.parts[0], ())):
            yield f"{place} ({path.parts[0]}/ knows nothing of this library)"


finish([p for path in tracked(*CPP) if path.parts[0] in ROOTS for p in problems_of(path)])
