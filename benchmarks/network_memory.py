"""Peak memory of preparing many images and training a network on them for one epoch.

    python benchmarks/network_memory.py --images 10000 --size 256

Phantoms of the synthetic cohort are prepared as a run prepares them, row by row into a memory-mapped file; then
`small_cnn` learns from batches of it for one epoch. So that this takes minutes, a few hundred phantoms stand in turn
for all images, and the network has a quarter of its channels: what is measured is what grows with the cohort. With
`--widths 16 32 64 128` it has them all.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from lesion_fusion.cohort.synthetic import SyntheticCohort, render_images, render_masks
from lesion_fusion.datasets.files import RowStream
from lesion_fusion.datasets.npy import NpyDataset
from lesion_fusion.imaging.lesion_image import lesion_image
from lesion_fusion.imaging.parameters import ImageInput
from lesion_fusion.imaging.png import decode_image, decode_mask


def main() -> None:
    """Prepare, train one epoch, print seconds and peak memory after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--phantoms", type=int, default=200)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--widths", type=int, nargs="+", default=[4, 8, 16, 32])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        dataset = NpyDataset(filepath=str(Path(folder) / "lesion_images.npy"))
        image_input = ImageInput(size=arguments.size)
        rows = prepared(arguments.images, arguments.phantoms, image_input)
        dataset.save(RowStream((arguments.images, *image_input.shape), "uint8", rows))
        images = dataset.load()
        print(f"prepared {images.nbytes / 2**30:.2f} GiB in {time.perf_counter() - began:.0f} s, peak {peak()}")
        began = time.perf_counter()
        train_one_epoch(images, arguments.batch_size, tuple(arguments.widths))
        print(f"one epoch in {time.perf_counter() - began:.0f} s, peak {peak()}")


def prepared(images: int, phantoms: int, image_input: ImageInput) -> Iterator[np.ndarray]:
    """Yield the network's input of each image, made one by one from PNG files."""
    cohort = SyntheticCohort(cases=phantoms, normal_cases=0)
    pictures, masks = render_images(cohort), render_masks(cohort)
    pairs = [(picture(), masks[name.replace(".png", "_tumor.png")]()) for name, picture in pictures.items()]
    for picture, mask in islice(cycle(pairs), images):
        yield lesion_image(decode_image(picture, "image"), decode_mask(mask, "mask"), [], image_input)


def train_one_epoch(images: np.ndarray, batch_size: int, widths: tuple[int, ...]) -> None:
    """Train `small_cnn` with these channels a block for one epoch."""
    from lesion_fusion.imaging import networks
    from lesion_fusion.imaging.parameters import NetworkParameters
    from lesion_fusion.imaging.training import Task, Trainer

    networks.SMALL_CNN_WIDTHS = widths
    parameters = NetworkParameters(backbone="small_cnn", epochs=1, batch_size=batch_size, patience=None)
    trainer = Trainer(networks.build_network("small_cnn", images.shape[1:], 2), parameters)
    labels = np.arange(len(images)) % 2
    trainer.train(images, labels, Task("benchmark", np.arange(len(images))))


def peak() -> str:
    """Return the process' peak resident memory so far, in words."""
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"


if __name__ == "__main__":
    main()
