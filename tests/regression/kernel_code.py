"""The GPU computes as the host does: the kernels' PTX, compiled with the flags of the build, has no fused multiply-add,
only exact divisions and square roots, keeps denormals, and has no loads through non-coherent caches, since a sum may
overwrite what it adds."""

import json
import re
import shlex
import subprocess
import sys

from sources import finish

# What each kernel's code must contain; otherwise the kernel has another form than this test assumes.
SOURCES = {
    "collectives/tree_sum_kernel.cu": [r"add(\.rn)?\.f32"],
    "worker/optim/update_kernels.cu": [
        r"add(\.rn)?\.f32",
        r"mul(\.rn)?\.f32",
        r"div\.rn\.f32",
        r"sqrt\.rn\.f32",
        r"mul(\.rn)?\.f64",
        r"add(\.rn)?\.f64",
    ],
}
FORBIDDEN = {
    r"(?:fma|mad)\S*\.f(?:32|64)": "rounds once where the host rounds twice",
    r"(?:div|sqrt|rcp|rsqrt)\.(?:approx|full)\S*": "is not rounded exactly",
    r"\w+\.ftz\S*": "loses denormals",
    r"ld\.global\.nc\S*": "may come before a store to the same place (is there a __restrict__?)",
}


def ptx(compile_commands, source):
    """The kernels as PTX, by the command of the build without its choice of architectures."""
    with open(compile_commands) as file:
        entry = next(e for e in json.load(file) if e["file"].endswith(source))
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.endswith("nvcc")) :]
    words = [word for word in words if not word.startswith("--generate-code")]
    words[words.index("-c")] = "-ptx"
    words[words.index("-o") + 1] = "/dev/stdout"
    return subprocess.run(words, cwd=entry["directory"], check=True, stdout=subprocess.PIPE, text=True).stdout


def problems_of(source, text):
    for wanted in SOURCES[source]:
        if not re.search(rf"\b{wanted}", text):
            yield f"{source}: there is no {wanted}: have the kernels another form?"
    for pattern, why in FORBIDDEN.items():
        for instruction in sorted(set(re.findall(rf"\b{pattern}", text))):
            yield f"{source}: {instruction} {why}"


finish([problem for source in SOURCES for problem in problems_of(source, ptx(sys.argv[1], source))])
