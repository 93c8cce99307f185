"""Runners beside Kedro's: `kedro run --runner lesion_fusion.runners.DaskRunner`."""

from lesion_fusion.runners.dask import DaskRunner

__all__ = ["DaskRunner"]
