"""Speed of the image descriptors on one core: cases described per second, decoding excluded.

Run `python benchmarks/image_descriptors.py`; `--folder` takes images with masks `<name>_tumor.png` instead of phantoms.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from scipy import ndimage
from threadpoolctl import threadpool_limits

from lesion_fusion.imaging.descriptors import DESCRIPTORS, describe
from lesion_fusion.imaging.png import GrayImage, Mask, decode_image, decode_mask

HEIGHT, WIDTH = 540, 580


def phantom(seed: int) -> tuple[GrayImage, Mask]:
    """Return speckle with a darker lobed lesion, of the usual size of a frame."""
    rng = np.random.default_rng(seed)
    rows, columns = np.indices((HEIGHT, WIDTH)) - rng.uniform(200, 340, size=(2, 1, 1))
    radius = rng.uniform(50, 120) * (1 + 0.15 * np.cos(rng.integers(3, 9) * np.arctan2(rows, columns)))
    mask = np.hypot(rows, columns) <= radius
    noise = ndimage.gaussian_filter(rng.normal(size=mask.shape), 1.5)
    return np.clip(120 + 20 * noise / noise.std() - 50 * mask, 0, 255).astype(np.uint8), mask


def read_cases(folder: Path) -> list[tuple[GrayImage, Mask]]:
    """Return the images of `folder` that have a tumour mask beside them."""
    masks = sorted(folder.rglob("*_tumor.png"))
    images = [mask.with_name(mask.name.replace("_tumor", "")) for mask in masks]
    return [
        (decode_image(image.read_bytes(), image.name), decode_mask(mask.read_bytes(), mask.name))
        for image, mask in zip(images, masks, strict=True)
    ]


def main() -> None:
    """Print cases per second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=250, help="number of phantoms")
    parser.add_argument("--folder", type=Path, help="images and masks to use instead of phantoms")
    options = parser.parse_args()
    cases = read_cases(options.folder) if options.folder else [phantom(seed) for seed in range(options.cases)]
    with threadpool_limits(limits=1):
        describe(*cases[0])
        start, processor = time.perf_counter(), time.process_time()
        for image, mask in cases:
            describe(image, mask)
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    print(
        f"{len(cases)} cases, {len(DESCRIPTORS)} descriptors: {len(cases) / seconds:.0f} cases/s "
        f"({len(cases) / processor:.0f} per second of processor time)"
    )


if __name__ == "__main__":
    main()
