"""Import Keras and its backend once, before the first `import keras`, without the notes that TensorFlow prints.

On JAX each of several devices takes its share of every training batch.
"""

import math
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import RLock, get_ident

__all__ = ["keras", "sharing_devices", "starts_from"]


@contextmanager
def _silent_native_stderr() -> Iterator[None]:
    """Send what native code writes to standard error to nowhere, for the length of the block."""
    try:
        original = os.dup(2)
    except OSError:
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(original, 2)
        os.close(original)
        os.close(nowhere)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with _silent_native_stderr():
    import keras

    # Whatever the backend, Keras imports TensorFlow, where it is there, as soon as it seeds anything.
    with suppress(ImportError):
        import tensorflow  # noqa: F401


# One thread at a time: each puts the shared function back.
_starting = RLock()


@contextmanager
def starts_from(seed: int) -> Iterator[None]:
    """Let the layers that this thread makes in the block start from `seed`, whatever other threads draw.

    Keras takes a layer's seed from Python's shared generator; so do other threads, such as that of a Dask worker which
    estimates sizes from samples.
    """
    with _starting:
        own, shared, thread = random.Random(seed), random.randint, get_ident()

        def randint(a: int, b: int) -> int:
            return own.randint(a, b) if get_ident() == thread else shared(a, b)

        keras.utils.set_random_seed(seed)
        random.randint = randint
        try:
            yield
        finally:
            random.randint = shared


def sharing_devices() -> int:
    """Return the number of devices that a training batch is divided among; its size must be a multiple of it."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else math.prod(distribution.device_mesh.shape)


# Keras' other backends train on one device.
_UNSHARED = keras.backend.backend() == "jax" and keras.distribution.distribution() is None
if _UNSHARED and len(keras.distribution.list_devices()) > 1:
    keras.distribution.set_distribution(keras.distribution.DataParallel())
