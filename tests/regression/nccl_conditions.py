"""At most three places in the sources know whether the build has CUDA and NCCL: all others use an interface."""

import re

from sources import CPP, finish, tracked

MOST = 3
ASKS = re.compile(r"\bLOCKSTEP_WITH_(CUDA|NCCL)\b")

places = [
    f"{path}:{number}"
    for path in tracked(*CPP)
    for number, line in enumerate(path.read_text().splitlines(), 1)
    if ASKS.search(line)
]
finish([f"{place}: one of {len(places)} places that ask for CUDA or NCCL, {MOST} at most" for place in places[MOST:]])
