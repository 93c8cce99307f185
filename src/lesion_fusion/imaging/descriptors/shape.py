"""Shape and margin: size, form and orientation; how rough and lobed the outline is, how sharp its edge; sizes in mm."""

import math

import numpy as np
from scipy import ndimage
from scipy.signal import find_peaks
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist

from lesion_fusion.imaging.descriptors.lesion import RIM, SIDE, SURROUNDINGS, Descriptor, Floats, Group, Lesion
from lesion_fusion.imaging.png import Mask

SHAPE: tuple[Descriptor, ...] = (
    Descriptor("relative_area", "log2", Group.SHAPE, "area of all components / squared height of the frame"),
    Descriptor("circularity", "1", Group.SHAPE, "4 pi area / perimeter^2; 1 for a disc"),
    Descriptor("solidity", "1", Group.SHAPE, "area / area of the convex hull"),
    Descriptor("convexity", "1", Group.SHAPE, "perimeter of the convex hull / perimeter"),
    Descriptor("extent", "1", Group.SHAPE, "area / area of the upright bounding box"),
    Descriptor("eccentricity", "1", Group.SHAPE, "eccentricity of the ellipse of equal second moments; 0 for a disc"),
    Descriptor("orientation", "degree", Group.SHAPE, "angle between the long axis and the skin (the horizontal)"),
    Descriptor(
        "width_to_height", "log2", Group.SHAPE, "log2 of width / height of the bounding box; negative if taller"
    ),
    Descriptor("feret_ratio", "1", Group.SHAPE, "smallest / largest Feret diameter"),
    Descriptor("elliptic_circumference", "1", Group.SHAPE, "circumference of the equivalent ellipse / perimeter"),
    Descriptor("elliptic_mismatch", "1", Group.SHAPE, "area on one side only of outline and ellipse / area"),
    Descriptor("concavity_depth", "1", Group.SHAPE, "deepest dent below the convex hull / sqrt(area)"),
    Descriptor(
        "concavity_share", "1", Group.SHAPE, "share of the outline deeper than 3 % of sqrt(area) below the hull"
    ),
)

BOUNDARY: tuple[Descriptor, ...] = (
    Descriptor("radial_spread", "1", Group.MARGIN, "standard deviation of the radial length / its mean"),
    Descriptor("radial_roughness", "1", Group.MARGIN, "mean change of the radial length between neighbours / its mean"),
    Descriptor("radial_entropy", "bit", Group.MARGIN, "entropy of the radial length over its largest, 20 bins"),
    Descriptor("elliptic_spread", "1", Group.MARGIN, "standard deviation of the radius relative to the ellipse's"),
    Descriptor("lobes_power", "log10", Group.MARGIN, "amplitude of the relative radius in harmonics 3 to 6"),
    Descriptor("microlobes_power", "log10", Group.MARGIN, "amplitude of the relative radius in harmonics 7 to 14"),
    Descriptor("spicules_power", "log10", Group.MARGIN, "amplitude of the relative radius in harmonics 15 to 40"),
    Descriptor("lobes_count", "1", Group.MARGIN, "peaks of the relative radius that stand out by more than 4 %"),
    Descriptor("bending_energy", "log10", Group.MARGIN, "mean squared curvature x perimeter^2"),
    Descriptor("fractal_dimension", "1", Group.MARGIN, "ruler (Richardson) dimension of the outline"),
)

EDGE: tuple[Descriptor, ...] = (
    Descriptor("edge_contrast", "spread", Group.MARGIN, "mean of outer minus inner band along the boundary"),
    Descriptor("edge_variation", "spread", Group.MARGIN, "standard deviation of that difference along the boundary"),
    Descriptor("edge_weak_share", "1", Group.MARGIN, "share of the boundary where that difference is below 0.25"),
    Descriptor("edge_top", "spread", Group.MARGIN, "that difference on the boundary's upper quarter"),
    Descriptor("edge_sides", "spread", Group.MARGIN, "that difference on the boundary's two side quarters"),
    Descriptor("edge_bottom", "spread", Group.MARGIN, "that difference on the boundary's lower quarter"),
    Descriptor("edge_sharpness", "spread/px", Group.MARGIN, "mean slope of the echo along the normal"),
    Descriptor("edge_wander", "px", Group.MARGIN, "spread of the place of the steepest slope along the normal"),
    Descriptor("gradient_alignment", "1", Group.MARGIN, "mean cosine between the echo's gradient and the normal"),
    Descriptor("halo", "spread", Group.MARGIN, "near outer band minus the surroundings beyond: an echogenic rim"),
)

SIZES: tuple[Descriptor, ...] = (
    Descriptor("area_mm2", "mm2", Group.PHYSICAL, "area of all components"),
    Descriptor("diameter_mm", "mm", Group.PHYSICAL, "diameter of the disc of that area"),
    Descriptor("feret_mm", "mm", Group.PHYSICAL, "largest distance between two points of the outline"),
    Descriptor("width_mm", "mm", Group.PHYSICAL, "width of the bounding box, parallel to the skin"),
    Descriptor("height_mm", "mm", Group.PHYSICAL, "height of the bounding box, along the beam"),
)

_DENT = 0.03
_RULERS = np.array([2, 4, 8, 16])
_WEAK = 0.25
_DIRECTIONS = np.deg2rad(np.arange(0, 180, 4))


def describe_shape(lesion: Lesion) -> dict[str, float]:
    """Return the shape descriptors of the largest component."""
    area, perimeter = lesion.outline_area, lesion.perimeter
    width, height = np.ptp(lesion.contour, axis=0)
    hull = ConvexHull(lesion.contour)
    ellipse = lesion.ellipse
    # Distance to the nearest edge line of the hull.
    heights: Floats = lesion.contour @ hull.equations[:, :2].T + hull.equations[:, 2]
    dents = np.maximum(-np.max(heights, axis=1), 0.0) / math.sqrt(area)
    ferets = np.ptp(lesion.contour[hull.vertices] @ np.stack([np.cos(_DIRECTIONS), np.sin(_DIRECTIONS)]), axis=0)
    mismatch = ellipse.covers(lesion.largest.shape) ^ lesion.largest
    return {
        "relative_area": math.log2(lesion.area / lesion.frame_height**2),
        "circularity": 4 * math.pi * area / perimeter**2,
        "solidity": area / hull.volume,  # of a plane hull, scipy's volume is the area and its area the perimeter
        "convexity": hull.area / perimeter,
        "extent": area / (width * height),
        "eccentricity": math.sqrt(max(0.0, 1 - (ellipse.minor / ellipse.major) ** 2)),
        "orientation": math.degrees(math.asin(min(1.0, abs(math.sin(ellipse.angle))))),
        "width_to_height": math.log2(width / height),
        "feret_ratio": float(np.min(ferets) / np.max(ferets)),
        "elliptic_circumference": ellipse.circumference / perimeter,
        "elliptic_mismatch": float(mismatch.sum()) / float(lesion.largest.sum()),
        "concavity_depth": float(np.max(dents)),
        "concavity_share": float(np.mean(dents > _DENT)),
    }


def describe_sizes(lesion: Lesion, pixel_size_mm: float | None) -> dict[str, float]:
    """Return the sizes, which do not predict by default; all NaN where the pixel size is None or NaN."""
    pixel = math.nan if pixel_size_mm is None else pixel_size_mm
    standard_pixel = pixel * lesion.square.side / SIDE
    area = lesion.area * pixel**2
    width, height = np.ptp(lesion.contour, axis=0) * standard_pixel
    corners = lesion.contour[ConvexHull(lesion.contour).vertices]
    return {
        "area_mm2": area,
        "diameter_mm": 2 * math.sqrt(area / math.pi),
        "feret_mm": float(pdist(corners).max()) * standard_pixel,
        "width_mm": float(width),
        "height_mm": float(height),
    }


def describe_edge(lesion: Lesion) -> dict[str, float]:
    """Return the margin descriptors of the echo along the outline."""
    near = lesion.gray[lesion.band(0, RIM)]
    beyond = lesion.gray[lesion.band(2 * RIM, SURROUNDINGS)]
    halo = float(near.mean() - beyond.mean()) if near.size and beyond.size else 0.0
    return _edge(lesion) | {"halo": halo}


def describe_boundary(lesion: Lesion) -> dict[str, float]:
    """Return the margin descriptors of the outline's form, which read no pixel."""
    points = lesion.contour
    ellipse = lesion.ellipse
    radius = np.hypot(points[:, 0] - ellipse.x, points[:, 1] - ellipse.y)
    relative = ellipse.level(points[:, 0], points[:, 1])
    relative = relative / relative.mean()
    amplitude = np.abs(np.fft.rfft(relative)) / len(points)
    shares = np.histogram(radius / radius.max(), bins=20, range=(0, 1))[0] / len(points)
    shares = shares[shares > 0]
    return {
        "radial_spread": float(radius.std() / radius.mean()),
        "radial_roughness": float(np.abs(np.diff(radius, append=radius[:1])).mean() / radius.mean()),
        "radial_entropy": float(-(shares * np.log2(shares)).sum()),
        "elliptic_spread": float(relative.std()),
        "lobes_power": _power(amplitude, 3, 6),
        "microlobes_power": _power(amplitude, 7, 14),
        "spicules_power": _power(amplitude, 15, 40),
        "lobes_count": float(_count_lobes(relative)),
        "bending_energy": _bending_energy(points, lesion.perimeter),
        "fractal_dimension": _ruler_dimension(points),
    }


def _power(amplitude: Floats, first: int, last: int) -> float:
    return float(np.log10(np.sqrt(np.sum(amplitude[first : last + 1] ** 2)) + 1e-4))


def _count_lobes(relative: Floats) -> int:
    smooth = ndimage.gaussian_filter1d(relative, 3, mode="wrap")
    start = int(smooth.argmin())
    # Starting at the lowest point, the outline has no peak at its ends.
    return len(find_peaks(np.append(np.roll(smooth, -start), smooth[start]), prominence=0.04)[0])


def _bending_energy(points: Floats, perimeter: float) -> float:
    smooth = ndimage.gaussian_filter1d(points, 2, axis=0, mode="wrap")
    first = np.gradient(np.pad(smooth, ((2, 2), (0, 0)), mode="wrap"), axis=0)
    second = np.gradient(first, axis=0)[2:-2]
    first = first[2:-2]
    speed = np.maximum(np.hypot(first[:, 0], first[:, 1]), 1e-6)
    curvature = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / speed**3
    return float(np.log10(np.mean(np.minimum(np.abs(curvature) * perimeter, 1e3) ** 2)))


def _ruler_dimension(points: Floats) -> float:
    lengths = []
    for step in _RULERS:
        walks = [points[start::step] for start in range(0, step, max(1, step // 4))]
        lengths.append(np.mean([np.linalg.norm(np.diff(p, axis=0, append=p[:1]), axis=1).sum() for p in walks]))
    return float(1 - np.polyfit(np.log(_RULERS), np.log(lengths), 1)[0])


def _edge(lesion: Lesion) -> dict[str, float]:
    normal = _outward_normals(lesion.contour)
    reach = np.arange(-2 * RIM, 2 * RIM + 1)
    xy = lesion.contour[:, np.newaxis] + reach[:, np.newaxis] * normal[:, np.newaxis]
    places = [xy[..., 1], xy[..., 0]]
    gray = ndimage.gaussian_filter(lesion.gray, 1.0)
    profiles = ndimage.map_coordinates(gray, places, order=1, mode="nearest")
    inside_image = ndimage.map_coordinates(lesion.valid.astype(np.float32), places, order=0).min(axis=1) > 0
    if not inside_image.any():
        inside_image[:] = True
    outer = profiles[:, (reach > 0) & (reach <= RIM)].mean(axis=1)
    inner = profiles[:, (reach < 0) & (reach >= -RIM)].mean(axis=1)
    step = outer - inner
    slopes = ndimage.gaussian_filter1d(profiles, 1.0, axis=1, order=1)
    steepest = reach[slopes.argmax(axis=1)]
    used = step[inside_image]
    return {
        "edge_contrast": float(used.mean()),
        "edge_variation": float(used.std()),
        "edge_weak_share": float(np.mean(used < _WEAK)),
        "edge_top": _mean_where(step, inside_image & (normal[:, 1] < -np.sqrt(0.5))),
        "edge_sides": _mean_where(step, inside_image & (np.abs(normal[:, 1]) <= np.sqrt(0.5))),
        "edge_bottom": _mean_where(step, inside_image & (normal[:, 1] > np.sqrt(0.5))),
        "edge_sharpness": float(slopes[inside_image].max(axis=1).mean()),
        "edge_wander": float(steepest[inside_image].std()),
        "gradient_alignment": _gradient_alignment(lesion),
    }


def _outward_normals(points: Floats) -> Floats:
    smooth = ndimage.gaussian_filter1d(points, 3, axis=0, mode="wrap")
    tangent = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    x, y = points[:, 0], points[:, 1]
    turn = np.sign(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))
    normal = turn * np.column_stack([tangent[:, 1], -tangent[:, 0]])
    return normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)


def _mean_where(values: Floats, where: Mask) -> float:
    return float(values[where].mean()) if where.any() else 0.0


def _gradient_alignment(lesion: Lesion) -> float:
    band = lesion.band(-RIM, RIM)
    echo = [ndimage.gaussian_filter(lesion.gray, 1.5, order=order)[band] for order in ((1, 0), (0, 1))]
    away = [ndimage.gaussian_filter(lesion.depth, 1.5, order=order)[band] for order in ((1, 0), (0, 1))]
    length = np.hypot(*echo) * np.hypot(*away)
    cosine = (echo[0] * away[0] + echo[1] * away[1]) / np.maximum(length, 1e-9)
    return float(cosine.mean()) if cosine.size else 0.0
