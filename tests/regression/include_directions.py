"""Rooms include only the rooms below them, and torch and MPI only where they may."""

import re

from sources import CPP, finish, tracked

MAY_INCLUDE = {
    "common": {"common"},
    "configs": {"common", "configs"},
    "collectives": {"common", "collectives"},
    "worker": {"common", "configs", "collectives", "worker"},
    "launcher": {"common", "configs", "launcher"},
}
TORCH = ("torch/", "ATen/", "c10/", "caffe2/")
MPI = ("mpi.h", "mpi-ext.h")
FORBIDDEN = {
    "common": TORCH + MPI,
    "configs": TORCH + MPI,
    "collectives": TORCH,
    "launcher": TORCH + MPI,
}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def problems_of(path):
    room = path.parts[0]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        included = match.group(2)
        place = f"{path}:{number}: {included}"
        if match.group(1) == '"' and included.split("/")[0] not in MAY_INCLUDE[room]:
            allowed = ", ".join(sorted(MAY_INCLUDE[room]))
            yield f"{place} ({room}/ may include {allowed}, by paths from the root of the repository)"
        elif match.group(1) == "<" and included.split("/")[0] in MAY_INCLUDE:
            yield f'{place} (our own headers are included with "")'
        if included.startswith(FORBIDDEN.get(room, ())):
            yield f"{place} ({room}/ knows nothing of this library)"


finish([p for path in tracked(*CPP) if path.parts[0] in MAY_INCLUDE for p in problems_of(path)])
