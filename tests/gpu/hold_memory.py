"""hold_memory MIB: allocates all memory of the first GPU except for MIB, prints "held", and keeps it until it is
ended."""

import ctypes
import signal
import sys

from tests.gpu.card import libraries


def cuda_runtime():
    """The runtime from torch's wheels or from the bundle, neither of which is on a search path; else the system's."""
    name = "libcudart.so.13"
    beside = [folder / name for folder in libraries() if (folder / name).is_file()]
    return ctypes.CDLL(str(beside[0]) if beside else name)


def main():
    runtime = cuda_runtime()
    free, total, block = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_void_p()
    for result in (runtime.cudaSetDevice(0), runtime.cudaMemGetInfo(ctypes.byref(free), ctypes.byref(total))):
        if result != 0:
            sys.exit(f"no GPU to hold memory of (error {result} of the CUDA runtime)")
    take = free.value - int(sys.argv[1]) * 2**20
    if take > 0 and (result := runtime.cudaMalloc(ctypes.byref(block), ctypes.c_size_t(take))) != 0:
        sys.exit(f"{take} bytes cannot be had (error {result} of the CUDA runtime)")
    print("held", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
