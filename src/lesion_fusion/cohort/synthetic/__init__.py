"""The synthetic cohort: phantom B-mode images, masks and records with a known signal."""

from lesion_fusion.cohort.synthetic.cohort import (
    Files,
    published_table,
    render_files,
    render_images,
    render_masks,
    write_published_layout,
)
from lesion_fusion.cohort.synthetic.parameters import SyntheticCohort, parse_cohort

__all__ = [
    "Files",
    "SyntheticCohort",
    "parse_cohort",
    "published_table",
    "render_files",
    "render_images",
    "render_masks",
    "write_published_layout",
]
