"""The hashes of a checkpoint as docs/checkpoint_format.md defines them, to make a modified checkpoint look valid."""

import ctypes
import json


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


_xxh3 = ctypes.CDLL("libxxhash.so.0").XXH3_128bits
_xxh3.argtypes, _xxh3.restype = (ctypes.c_char_p, ctypes.c_size_t), Hash128
BLOCK, ALIGNMENT = 4096, 16  # elements


def xxh3(data):
    digest = _xxh3(bytes(data), len(data))
    return digest.high.to_bytes(8, "big") + digest.low.to_bytes(8, "big")


def manifest_hash(manifest):
    rest = {key: value for key, value in manifest.items() if key != "manifest_hash"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    return xxh3(text).hex()


def array_hash(tensors):
    """The hash of numpy arrays, in the order of the flat buffer."""
    parts = [tensor.reshape(-1) for tensor in tensors]
    return xxh3(b"".join(xxh3(part[at : at + BLOCK].tobytes()) for part in parts for at in range(0, len(part), BLOCK)))


def write_sealed(path, manifest):
    """Writes the manifest with the hash of itself."""
    path.write_text(json.dumps(manifest | {"manifest_hash": manifest_hash(manifest)}, sort_keys=True, indent=2) + "\n")


def reseal(path, names, **arrays):
    """Puts new hashes of these arrays into the manifest, and all hashes that follow from them. `names`: all arrays of
    the checkpoint, in the order of the state. Only for a run without decisions."""
    manifest = json.loads(path.read_text())
    assert "decisions" not in manifest and set(names) == set(manifest["arrays"])
    manifest["arrays"] |= {name: digest.hex() for name, digest in arrays.items()}
    hashes = [xxh3(manifest["step"].to_bytes(8, "little"))] + [
        bytes.fromhex(manifest["arrays"][name]) for name in names
    ]
    manifest["state_hash"] = xxh3(b"".join(hashes)).hex()
    write_sealed(path, manifest)
