"""At most three places in the sources depend on whether NCCL is available: all others use an interface."""

import re

from sources import CPP, finish, tracked

MOST = 3
CONDITION = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*\bLOCKSTEP_WITH_NCCL\b")

places = [
    f"{path}:{number}"
    for path in tracked(*CPP)
    for number, line in enumerate(path.read_text().splitlines(), 1)
    if CONDITION.match(line)
]
finish([f"{place}: one of {len(places)} places that ask for NCCL, {MOST} at most" for place in places[MOST:]])
