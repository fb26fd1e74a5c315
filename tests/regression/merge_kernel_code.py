"""The GPU adds as the host does: the kernel's PTX, compiled with the flags of the build, has additions alone (nothing
fused), and no loads past the coherent caches, for a merge may read what the one before it has stored."""
import json
import re
import shlex
import subprocess
import sys

from sources import finish

SOURCE = "collectives/merge_kernel.cu"


def ptx(compile_commands):
    """The kernel as PTX, by the command of the build without its choice of architectures."""
    with open(compile_commands) as file:
        entry = next(e for e in json.load(file) if e["file"].endswith(SOURCE))
    words = shlex.split(entry["command"])
    words = words[next(i for i, word in enumerate(words) if word.endswith("nvcc")) :]
    words = [word for word in words if not word.startswith("--generate-code")]
    words[words.index("-c")] = "-ptx"
    words[words.index("-o") + 1] = "/dev/stdout"
    return subprocess.run(words, cwd=entry["directory"], check=True, stdout=subprocess.PIPE, text=True).stdout


def problems_of(text):
    if not re.search(r"\badd(\.rn)?\.f32", text):
        yield "there is no float32 addition: has the kernel another form?"
    for instruction in sorted(set(re.findall(r"\b(?:fma|mad|mul)\S*\.f32", text))):
        yield f"{instruction}: a sum consists of additions"
    if "ld.global.nc" in text:
        yield "ld.global.nc may come before the store of the merge before it (is there a __restrict__?)"


finish([f"{SOURCE}: {problem}" for problem in problems_of(ptx(sys.argv[1]))])
