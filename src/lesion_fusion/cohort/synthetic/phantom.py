"""A phantom B-mode image: layered tissue and a lesion, with attenuation, speckle and log compression.

Speckle is fully developed: the envelope of a complex Gaussian scatterer field, filtered by an anisotropic point-spread
function (Wagner et al., "Statistics of speckle in ultrasound B-scans", IEEE Transactions on Sonics and Ultrasonics
30(3), 1983, doi:10.1109/T-SU.1983.31404). Interfaces (skin, fascia, ligaments) add deterministic echoes.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter1d

Field = NDArray[np.floating[Any]]

ANGLES = 360  # samples of an outline
LOOKS = 3  # speckle patterns averaged: spatial compounding
DYNAMIC_RANGE_DB = 58.0
FLOOR_DB = -52.0  # electronic noise at the deepest row
# Mean echo strength in dB, 0 the fibroglandular tissue's.
FAT_DB, MUSCLE_DB, BEHIND_RIB_DB = -9.0, -8.0, -22.0
CONTRAST_DB = {
    "anechoic": -34.0,
    "complex cystic/solid": -14.0,
    "heterogeneous": -11.0,
    "hyperechoic": 3.0,
    "hypoechoic": -14.0,
    "isoechoic": -6.0,
}


@dataclass(frozen=True)
class Appearance:
    """Content of one image; descriptors are worded as in the published table and unused in normal cases."""

    shape: str
    margin: str
    echogenicity: str
    posterior_features: str
    halo: str
    calcifications: str
    skin_thickening: str
    lesion: bool
    diameter_mm: float
    aspect: float
    others: int
    width: int
    height: int
    pixel_mm: float
    fan: bool


@dataclass(frozen=True)
class Outline:
    """A closed outline: centre and half axes in pixels, and `ANGLES` radii relative to the ellipse of these axes."""

    row: float
    column: float
    half_height: float
    half_width: float
    radius: Field

    def depth_inside(self, height: int, width: int) -> Field:
        """Return each pixel's distance from the centre, relative to the outline's in that direction: below 1 inside."""
        y = (np.arange(height, dtype=np.float32)[:, None] - self.row) / self.half_height
        x = (np.arange(width, dtype=np.float32)[None, :] - self.column) / self.half_width
        turn = np.arctan2(y, x).astype(np.float32) * np.float32(ANGLES / (2 * np.pi))
        nearest = np.rint(turn).astype(np.intp) % ANGLES
        distance: Field = np.hypot(y, x) / self.radius[nearest]
        return distance

    def mask(self, height: int, width: int) -> NDArray[np.bool_]:
        """Return the pixels inside the outline, (height, width)."""
        inside: NDArray[np.bool_] = self.depth_inside(height, width) <= 1
        return inside


def lesion_outline(appearance: Appearance, rng: Generator) -> Outline:
    """Return the outline of the lesion that `appearance` describes, inside the image and below the skin."""
    radius = _radius(appearance.shape, appearance.margin, rng)
    aspect = appearance.aspect if appearance.shape != "round" else float(np.clip(appearance.aspect, 0.9, 1.1))
    # The ellipse has the area of a circle of that diameter; each view of a lesion differs a little.
    half = appearance.diameter_mm / appearance.pixel_mm / 2 * rng.uniform(0.93, 1.07)
    reach = float(np.max(radius))
    half_height = float(np.clip(half * np.sqrt(aspect), 5, 0.31 * appearance.height / reach))
    half_width = float(np.clip(half / np.sqrt(aspect), 5, 0.4 * appearance.width / reach))
    top = 0.1 * appearance.height + half_height * reach
    bottom = 0.85 * appearance.height - half_height * reach
    row = float(np.clip(rng.normal(0.36, 0.08) * appearance.height, top, max(top, bottom)))
    side = half_width * reach + 0.03 * appearance.width
    column = float(np.clip(rng.normal(0.5, 0.12) * appearance.width, side, appearance.width - side))
    return Outline(row, column, half_height, half_width, radius)


def drawn_by_a_telling_hand(lesion: Outline, malignant: bool, strength: float, rng: Generator) -> Outline:
    """Return how somebody draws a lesion who knows its class: a benign one smooth, a malignant one notched.

    `strength`, 0 to 1, is how far the hand follows the class instead of the lesion.
    """
    smooth = np.fft.rfft(lesion.radius)
    smooth[3:] = 0
    told = np.fft.irfft(smooth, ANGLES)
    if malignant:
        angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
        told = told * (1 + 0.15 * np.cos(int(rng.integers(9, 16)) * angle + rng.uniform(0, 2 * np.pi)))
    return replace(lesion, radius=((1 - strength) * lesion.radius + strength * told).astype(np.float32))


def other_outlines(appearance: Appearance, lesion: Outline, rng: Generator) -> tuple[Outline, ...]:
    """Return the outlines of the further structures, cysts on the emptier side of the lesion."""
    outlines = []
    left = lesion.column > appearance.width / 2
    for _ in range(appearance.others):
        half_height = float(rng.uniform(0.03, 0.06) * appearance.height)
        half_width = half_height * float(rng.uniform(1.0, 1.6))
        row = float(rng.uniform(0.25, 0.6) * appearance.height)
        side = float(rng.uniform(0.12, 0.3))
        column = (side if left else 1 - side) * appearance.width
        outlines.append(Outline(row, column, half_height, half_width, _radius("oval", "circumscribed", rng)))
    return tuple(outlines)


def _radius(shape: str, margin: str, rng: Generator) -> Field:
    """Return the radius relative to the ellipse at each angle, with mean square 1, for a shape and margin."""
    angle = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    radius = np.ones(ANGLES)

    def waves(orders: range, amplitude: float) -> NDArray[np.float64]:
        return sum(
            amplitude / len(orders) ** 0.5 * rng.normal() * np.cos(order * angle + rng.uniform(0, 2 * np.pi))
            for order in orders
        )

    radius += waves(range(2, 8), 0.16) if shape == "irregular" else waves(range(2, 5), 0.03)
    if "microlobulated" in margin:
        radius += waves(range(9, 16), 0.09)
    if "angular" in margin:
        corners = int(rng.integers(4, 7))
        uneven = angle + rng.uniform(0.2, 0.5) * np.sin(angle + rng.uniform(0, 2 * np.pi))
        height = 0.26 + 0.12 * np.sin(angle + rng.uniform(0, 2 * np.pi))
        radius += height * (1 - np.abs(np.sin(corners * uneven / 2 + rng.uniform(0, np.pi))))
    if "spiculated" in margin:
        for _ in range(int(rng.integers(7, 13))):
            away = np.abs((angle - rng.uniform(0, 2 * np.pi) + np.pi) % (2 * np.pi) - np.pi)
            radius += rng.uniform(0.15, 0.45) * np.exp(-away / rng.uniform(0.06, 0.12))
    radius = np.clip(radius, 0.4, None)
    return (radius / np.sqrt(np.mean(radius**2))).astype(np.float32)


def draw_image(
    appearance: Appearance, lesion: Outline | None, others: tuple[Outline, ...], rng: Generator
) -> NDArray[np.uint8]:
    """Return the image, uint8 (height, width, 4): red, green, blue, alpha; alpha is 0 outside a fan, otherwise 255."""
    echo, interfaces = _tissue(appearance, rng)
    beam = _beam_shadows(appearance, rng)
    if lesion is not None:
        inside = lesion.depth_inside(*echo.shape)
        weight = _inside(inside, 0.16 if "indistinct" in appearance.margin else 0.04)
        echo = _with_lesion(echo, inside, weight, appearance, rng)
        interfaces = interfaces * (1 - weight)
        beam += _behind(inside, appearance, lesion, rng)
    for other in others:
        weight = _inside(other.depth_inside(*echo.shape), 0.05)
        echo = echo + weight * (CONTRAST_DB["anechoic"] - echo)
        interfaces = interfaces * (1 - weight)
    # The point-spread function's standard deviation in pixels, axial and lateral.
    size = max(0.6, 0.11 / appearance.pixel_mm), max(0.9, 0.22 / appearance.pixel_mm)
    strength, specular = _amplitude(echo + beam), interfaces * _amplitude(beam)
    envelope = np.mean([speckle(strength, specular, size, rng) for _ in range(LOOKS)], axis=0)
    gray = _compress(envelope, rng)
    opaque = _fan(*gray.shape) if appearance.fan else np.ones(gray.shape, dtype=bool)
    gray = np.where(opaque, gray, 0).astype(np.uint8)
    return np.dstack([gray, gray, gray, np.where(opaque, 255, 0).astype(np.uint8)])


def speckle(strength: Field, specular: Field, size: tuple[float, float], rng: Generator) -> Field:
    """Return the envelope of scatterers of amplitude `strength` and of interfaces of amplitude `specular`.

    `size` is the standard deviation of the point-spread function, axial and lateral, in pixels. Where `strength` is
    uniform and `specular` 0, the envelope is Rayleigh distributed with mean square `strength` squared.
    """
    noise = rng.standard_normal((2, *strength.shape), dtype=np.float32) * strength
    for axis, sigma in zip((1, 2), size, strict=True):
        noise = gaussian_filter1d(noise, sigma, axis=axis, mode="reflect", truncate=3)
    noise /= np.float32(np.sqrt(2 * _energy_left(size[0]) * _energy_left(size[1])))
    noise[0] += specular
    return np.hypot(noise[0], noise[1])


def _energy_left(sigma: float) -> float:
    """Return the share of white noise's energy after the filter: the sum of squares of its weights."""
    reach = int(np.ceil(3 * sigma)) + 1
    impulse = np.zeros(2 * reach + 1)
    impulse[reach] = 1
    return float(np.sum(gaussian_filter1d(impulse, sigma, truncate=3) ** 2))


def _tissue(appearance: Appearance, rng: Generator) -> tuple[Field, Field]:
    """Return the echo strength in dB and the amplitude of the interfaces, both (height, width)."""
    height, width, pixel = appearance.height, appearance.width, appearance.pixel_mm
    depth = np.arange(height, dtype=np.float32)[:, None] * np.float32(pixel)
    total = height * pixel
    skin = (3.2 if appearance.skin_thickening == "yes" else 1.6) * rng.uniform(0.85, 1.15) + _wave(width, 0.1, rng)
    gland = skin + total * rng.uniform(0.08, 0.24) + _wave(width, 0.04 * total, rng)
    muscle = np.maximum(total * rng.uniform(0.58, 0.8) + _wave(width, 0.015 * total, rng), gland + 2)
    rib = muscle + total * rng.uniform(0.08, 0.2) + _wave(width, 0.02 * total, rng)

    # Strands, at the zeros of a smooth field: stretched along the skin and interrupted, like ligaments and fibres.
    fibres = _cloud(height, width, 0.7 / pixel, 7.0 / pixel, rng)
    lobules = _cloud(height, width, 3.0 / pixel, 5.0 / pixel, rng)
    strands = np.exp(-((_cloud(height, width, 2.0 / pixel, 9.0 / pixel, rng) / 0.2) ** 2))
    strands = strands * np.clip(0.7 * fibres + 0.4 * lobules + 0.3, 0, 1.2)

    echo = np.where(depth < gland, FAT_DB + 2 * lobules, 0.0 + 3.5 * lobules + 1.5 * fibres)
    echo = np.where(depth < muscle, echo, MUSCLE_DB + 4 * fibres)
    if rng.random() < 0.6:
        echo = np.where(depth < rib, echo, BEHIND_RIB_DB + 1.5 * lobules)
    else:
        rib = np.full_like(rib, 2 * total)
    echo = np.where(depth < skin, -3.0, echo) - (depth - 0.35 * total) * np.float32(rng.uniform(0.1, 0.35))

    specular = np.where(depth < muscle, strands * rng.uniform(0.8, 2.2), 0.5 * np.clip(fibres - 0.7, 0, 1))
    specular = np.where((depth < skin) | (depth > rib), 0, specular)
    for boundary, strength in ((np.full_like(skin, 0.3), 1.6), (skin, 1.0), (gland, 0.8), (muscle, 1.4), (rib, 2.2)):
        patchy = np.clip(0.6 + 0.5 * _cloud(1, width, 1.0, 5.0 / pixel, rng), 0, 1.5)
        specular = specular + strength * patchy * np.exp(-(((depth - boundary) / 0.22) ** 2))
    return echo.astype(np.float32), specular.astype(np.float32)


def _with_lesion(echo: Field, inside: Field, weight: Field, appearance: Appearance, rng: Generator) -> Field:
    """Return the echo strength in dB with the lesion; `weight`, 0 to 1, is each pixel's share of lesion."""
    height, width = echo.shape
    pixel = appearance.pixel_mm
    texture = _cloud(height, width, 1.2 / pixel, 1.5 / pixel, rng)
    spread = {"anechoic": 0.0, "heterogeneous": 4.5, "hypoechoic": 1.5}.get(appearance.echogenicity, 2.0)
    body = CONTRAST_DB[appearance.echogenicity] + rng.normal(0, 2) + spread * texture
    if appearance.echogenicity == "complex cystic/solid":
        body = np.where(texture > 0.3, CONTRAST_DB["anechoic"], body)
    lesion = echo + weight * (body - echo)
    if appearance.halo == "yes":
        lesion += 7 * np.exp(-(((inside - 1.22) / 0.16) ** 2))
    if appearance.calcifications != "no":
        # About a dozen, whatever the lesion's size.
        core = inside < 0.8
        spots = core & (rng.random(echo.shape, dtype=np.float32) < 12 / (1 + float(np.sum(core))))
        lesion = np.where(spots, np.float32(12), lesion)
    return lesion.astype(np.float32)


def _behind(inside: Field, appearance: Appearance, outline: Outline, rng: Generator) -> Field:
    """Return the gain of the beam in dB that the path through the lesion causes: shadow, enhancement, edge shadows."""
    height, width = inside.shape
    path = np.cumsum(inside <= 1, axis=0, dtype=np.float32) / np.float32(2 * outline.half_height)
    path = gaussian_filter1d(path, 0.04 * width, axis=1, mode="nearest", truncate=2)
    shadow, enhancement = np.float32(-rng.uniform(11, 18)), np.float32(rng.uniform(6, 10))
    right = np.clip((np.arange(width, dtype=np.float32)[None, :] - outline.column) / (0.06 * width) + 0.5, 0, 1)
    gain = {
        "no": np.float32(rng.uniform(-1.5, 1.5)),
        "shadowing": shadow,
        "enhancement": enhancement,
        "combined": right * shadow + (1 - right) * enhancement,
    }[appearance.posterior_features]
    beam = gain * path
    if appearance.shape != "irregular":
        # Refraction at a smooth, steep side bends the beam away from a narrow strip behind it.
        columns = np.arange(width, dtype=np.float32)
        offsets = [columns - outline.column - side * outline.half_width for side in (-1, 1)]
        strips = sum(np.exp(-((offset / (0.012 * width)) ** 2)) for offset in offsets)
        below = np.clip((np.arange(height, dtype=np.float32) - outline.row) / outline.half_height, 0, 1)
        beam = beam - 5 * below[:, None] * strips[None, :]
    # The descriptor sets the echo strength inside the lesion, so the gain starts at its lower edge.
    leaving = np.clip((np.arange(height, dtype=np.float32)[:, None] - outline.row) / outline.half_height, 0, 1)
    return (beam * leaving).astype(np.float32)


def _beam_shadows(appearance: Appearance, rng: Generator) -> Field:
    """Return the gain in dB of poor contact and ligaments: up to three dark stripes, and unevenness across."""
    columns = np.arange(appearance.width, dtype=np.float32) / appearance.width
    gain = _wave(appearance.width, 1.5, rng)
    for _ in range(int(rng.integers(0, 4))):
        gain = gain - rng.uniform(3, 9) * np.exp(-(((columns - rng.random()) / rng.uniform(0.015, 0.05)) ** 2))
    onset = np.clip(np.arange(appearance.height, dtype=np.float32) / (0.3 * appearance.height), 0, 1)
    return (onset[:, None] * gain[None, :]).astype(np.float32)


def _compress(envelope: Field, rng: Generator) -> Field:
    """Return the gray levels, 0 to 255, of the log-compressed envelope with the receiver's noise, rising with depth."""
    height = envelope.shape[0]
    noise = FLOOR_DB + 14 * np.linspace(-1, 0, height, dtype=np.float32)[:, None]
    power = envelope**2 + 10 ** (noise / 10)
    level = 1 + (10 * np.log10(power) + rng.uniform(-25, -18)) / DYNAMIC_RANGE_DB
    return 255 * np.clip(level, 0, 1) ** np.float32(rng.uniform(1.5, 2.0))


def _fan(height: int, width: int) -> NDArray[np.bool_]:
    """Return the pixels of a curved probe's sector: between two edges and above an arc."""
    y = np.arange(height)[:, None] / height
    x = np.abs(np.arange(width)[None, :] / width - 0.5)
    return (x <= 0.28 + 0.24 * y) & (y <= 1 - 0.45 * x**2)


def _inside(distance: Field, softness: float) -> Field:
    """Return a pixel's share of a structure, 0 to 1, with an edge `softness` radii wide."""
    return np.clip(0.5 + (1 - distance) / (2 * softness), 0, 1)


def _amplitude(decibel: Field) -> Field:
    return np.power(np.float32(10), decibel / np.float32(20))


def _cloud(height: int, width: int, axial: float, lateral: float, rng: Generator) -> Field:
    """Return a smooth random field of unit scale whose structures measure `axial` by `lateral` pixels."""
    rows, columns = int(height / axial) + 3, int(width / lateral) + 3
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def _wave(width: int, scale: float, rng: Generator) -> Field:
    """Return a smooth random curve across the image, of the given scale."""
    return np.float32(scale) * _cloud(1, width, 1.0, width / 3, rng)[0]
