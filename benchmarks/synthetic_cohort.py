"""Measure how long a synthetic cohort takes to make, record and every file streamed, and how much memory.

Run: python benchmarks/synthetic_cohort.py [cases]    (10,000 by default; set OMP_NUM_THREADS=1 for one core)
"""

from __future__ import annotations

import resource
import sys
import time

from lesion_fusion.cohort.synthetic import SyntheticCohort, published_table, render_files

LIMIT_S_PER_10_000 = 300


def main(cases: int) -> None:
    """Make a cohort of `cases`, hold one file at a time and print the figures."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, processor = time.perf_counter(), time.process_time()
    cohort = SyntheticCohort(cases=cases)
    table = published_table(cohort)
    record = time.perf_counter() - clock
    files = size = 0
    for render in render_files(cohort).values():
        files += 1
        size += len(render())
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{len(table)} cases, {files} files, {size / 2**20:.0f} MiB of PNG")
    print(f"record {record:.2f} s; all {clock:.1f} s by the clock, {processor:.1f} s of one processor")
    print(f"{cases / processor:.0f} cases per second of processor time")
    print(f"10,000 cases: {1e4 * processor / cases:.0f} s of processor time (limit {LIMIT_S_PER_10_000} s)")
    print(f"memory: {before / 1024:.0f} MiB before, {peak / 1024:.0f} MiB at most (Linux counts in KiB)")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
