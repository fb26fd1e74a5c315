"""make_stubs.py OUT LIBRARY...: writes C functions for everything that these libraries of LibTorch need from CUDA,
cuBLAS, cuDNN, NCCL and the driver. Each stub counts its call. Those that create something return a block of zeros;
those of the runtime that the ghost does not implement return "not supported". All are weak: the ghost's own functions
replace them."""

import re
import subprocess
import sys

WANTED = re.compile(r"^(__cuda|cuda|cublas|cudnn|nccl|cu[A-Z])")
NOT_SUPPORTED = {"cuda": 801, "nccl": 5}  # cudaErrorNotSupported, ncclInvalidUsage

MAKES = """int {name}(void **made) {{ ghost_count("{name}"); *made = calloc(1, 4096); return 0; }}"""
ANSWERS = """int {name}(void) {{ ghost_count("{name}"); return {result}; }}"""


def undefined_in(library):
    text = subprocess.run(
        ["nm", "-D", "--undefined-only", library], check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    return {line.split()[-1].split("@")[0] for line in text.splitlines()}


def stub(name):
    if ("Create" in name and not name.startswith(("cuda", "cu"))) or re.match(
        r"(cublas|cublasLt|cudnn)\w*Create", name
    ):
        return MAKES.format(name=name)
    result = next((code for start, code in NOT_SUPPORTED.items() if name.startswith(start)), 0)
    return ANSWERS.format(name=name, result=result)


names = sorted({name for library in sys.argv[2:] for name in undefined_in(library) if WANTED.match(name)})
with open(sys.argv[1], "w") as file:
    file.write("#include <stdlib.h>\nvoid ghost_count(const char *);\n")
    for name in names:
        file.write('__attribute__((weak, visibility("default"))) ' + stub(name) + "\n")
