"""What a run draws and feeds to its model, written independently in numpy from docs/numerics.md and the papers."""

import functools
import gzip
import math

import numpy as np

SAMPLE_ORDER, AUGMENTATION, INITIALISATION, SAMPLED_LABELS, DROPOUT, DROP_PATH = 1, 2, 3, 9, 10, 11  # purposes
LOW = np.uint64(0xFFFFFFFF)


def uint64s(*values):
    return [np.asarray(value, dtype=np.uint64) for value in values]


def philox(counter, key):
    """Philox4x32-10 (Salmon et al. 2011, section 3.3): from a counter of four and a key of two 32-bit numbers or arrays
    to four arrays of 32 bits."""
    multiplier_0, multiplier_1, weyl_0, weyl_1, half = uint64s(0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 32)
    c0, c1, c2, c3, k0, k1 = uint64s(*counter, *key)
    for _ in range(10):
        product_0, product_1 = multiplier_0 * c0, multiplier_1 * c2
        c0, c1, c2, c3 = (product_1 >> half) ^ c1 ^ k0, product_1 & LOW, (product_0 >> half) ^ c3 ^ k1, product_0 & LOW
        k0, k1 = (k0 + weyl_0) & LOW, (k1 + weyl_1) & LOW
    return [value.astype(np.uint32) for value in (c0, c1, c2, c3)]


def words(seed, purpose, when, index, blocks, first_block=0):
    """The 32-bit draws of one stream, or of one per index: uint32 [..., 4 * blocks]."""
    index = np.asarray(index, dtype=np.uint64)[..., None]
    block = np.arange(first_block, first_block + blocks, dtype=np.uint64)
    key = (seed & 0xFFFFFFFF, seed >> 32 ^ purpose << 24)
    drawn = philox((block, index & LOW, index >> np.uint64(32), when), key)
    return np.stack(np.broadcast_arrays(*drawn), axis=-1).reshape(*index.shape[:-1], 4 * blocks)


def uniforms(drawn):
    """From two words to one float64 in [0, 1) with 53 bits, as genrand_res53 of Matsumoto and Nishimura."""
    high, low = (drawn[..., 0::2] >> 5).astype(np.float64), (drawn[..., 1::2] >> 6).astype(np.float64)
    return (high * 2**26 + low) / 2**53


@functools.cache
def sample_order(seed, epoch, count):
    """The samples 0 .. count - 1 in the order of the epoch: a Feistel network of six rounds on the next power of four,
    applied until the result is below `count` (cycle walking, Black and Rogaway 2002)."""
    half = next(bits for bits in range(1, 32) if 4**bits >= count)
    six, bits, mask = uint64s(6, half, 2**half - 1)

    def encrypt(value):
        left, right = value >> bits, value & mask
        for turn in range(6):
            drawn = words(seed, SAMPLE_ORDER, epoch, right * six + np.uint64(turn), 1)[..., 0]
            left, right = right, (left ^ drawn.astype(np.uint64)) & mask
        return left << bits | right

    order = encrypt(np.arange(count, dtype=np.uint64))
    while (outside := order >= count).any():
        order[outside] = encrypt(order[outside])
    return order.astype(np.int64)


def crops_and_flips(seed, epoch, samples, padding, probability):
    """For each sample (top, left, flip): where its crop begins in the padded image, and whether it is mirrored."""
    drawn = words(seed, AUGMENTATION, epoch, samples, 1)
    places = drawn[:, :2].astype(np.uint64) * np.uint64(2 * padding + 1) >> np.uint64(32)
    flips = uniforms(drawn[:, 2:])[:, 0] < probability
    return [(int(top), int(left), bool(flip)) for (top, left), flip in zip(places, flips, strict=True)]


def normals(seed, index, count):
    """Standard normal float64 by the cosine of Box and Muller 1958: each takes two uniforms, or one Philox block."""
    parts = []
    for first in range(0, count, 1 << 16):  # pieces that fit in a cache
        u = uniforms(words(seed, INITIALISATION, 0, index, min(count - first, 1 << 16), first)).reshape(-1, 2)
        parts.append(np.sqrt(-2 * np.log(1 - u[:, 0])) * np.cos(2 * math.pi * u[:, 1]))
    return np.concatenate(parts)


def initial_weights(shapes, seed, deviation=None):
    """Initial values, float32, of the parameters with these names and shapes (in the order of the modules) that are
    drawn: convolutions normal by fan out (He et al. 2015), linear layers uniform within 1 / sqrt(fan in). With a
    deviation: all parameters of more than one dimension are normal with it, except for the class token, whose deviation
    is 1e-6."""
    weights, index, bound = {}, 0, None
    for name, shape in shapes.items():
        count = math.prod(shape)
        if deviation:
            if len(shape) == 1:
                continue
            values = (1e-6 if name == "cls_token" else deviation) * normals(seed, index, count)
        elif len(shape) == 4:
            values = math.sqrt(2 / (shape[0] * shape[2] * shape[3])) * normals(seed, index, count)
        elif len(shape) == 2 or bound is not None:  # a linear layer's weight, or the bias right after it
            bound = 1 / math.sqrt(shape[1]) if len(shape) == 2 else bound
            drawn = words(seed, INITIALISATION, 0, index, -(-count // 2))
            values = bound * (2 * uniforms(drawn)[:count] - 1)
        else:
            continue
        bound = bound if len(shape) == 2 else None
        weights[name] = values.reshape(shape).astype(np.float32)
        index += 1
    return weights


def drop_mask(seed, purpose, step, micro_batch, layer, rate, count):
    """The factors of `count` elements (or samples), float32: 0 with probability `rate`, else 1 / (1 - rate)."""
    drawn = words(seed, purpose, step, layer << 32 | micro_batch, -(-count // 4))[:count]
    return np.where(drawn < math.floor(rate * 2**32), 0, 1 / (1 - rate)).astype(np.float32)


def read_idx(path, samples=0):
    """The array of an IDX file of unsigned bytes (LeCun et al.: the MNIST database); its first `samples`, or all."""
    content = gzip.decompress(path.read_bytes())
    dimensions = content[3]
    shape = np.frombuffer(content, ">u4", dimensions, 4)
    array = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    return array[: samples or None]


def mean_and_std(images):
    """Mean and standard deviation of all pixels, in units in which white is 1. The sums are of integers, so nothing is
    rounded before the last operations."""
    pixels = images.astype(np.int64)
    mean = int(pixels.sum()) / pixels.size
    return mean / 255, math.sqrt(int((pixels * pixels).sum()) / pixels.size - mean * mean) / 255


def normalised(images, mean, std):
    return ((images / 255.0 - mean) / std).astype(np.float32)


def micro_batches(step, seed, train_samples, samples_per_step, micro_batch_size):
    """(epoch, samples of each micro-batch) of a step, counted from 0. Samples that do not fill the last step of an
    epoch are left out."""
    epoch, position = divmod(step, train_samples // samples_per_step)
    order = sample_order(seed, epoch, train_samples)
    samples = order[position * samples_per_step : (position + 1) * samples_per_step]
    return epoch, samples.reshape(-1, micro_batch_size)


def tree_sum(leaves):
    """The sum of arrays along the tree of docs/numerics.md: neighbours in pairs, level by level; an odd last one moves
    up unchanged."""
    while len(leaves) > 1:
        pairs = [leaves[i : i + 2] for i in range(0, len(leaves), 2)]
        leaves = [pair[0] + pair[1] if len(pair) == 2 else pair[0] for pair in pairs]
    return leaves[0]


def sgd(settings, rate, decay, weights, gradient, momentum):
    """Momentum of Sutskever et al. 2013 in PyTorch's form, with L2 decay; float32, each operation rounded once, in
    place."""
    rate, decay, keep = np.float32(rate), np.float32(decay), np.float32(settings["momentum"])
    gradient = gradient + decay * weights
    momentum[...] = keep * momentum + gradient
    weights -= rate * (gradient + keep * momentum if settings["nesterov"] else momentum)


def adamw(settings, rate, decay, weights, gradient, first, second, step):
    """Algorithm 2 of Loshchilov and Hutter 2019 in `step` (from 1); scalars in float64, the rest as in sgd()."""
    beta1, beta2, f = settings["beta1"], settings["beta2"], np.float32
    first[...] = f(beta1) * first + f(1 - beta1) * gradient
    second[...] = f(beta2) * second + f(1 - beta2) * (gradient * gradient)
    root = np.sqrt(second) / f(math.sqrt(1 - beta2**step)) + f(settings["eps"])
    weights[...] = f(1 - rate * decay) * weights - f(rate / (1 - beta1**step)) * (first / root)
