"""Arrays with external memory whose other memories are small."""

from dataclasses import replace

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.program.fit import check_storage, covering
from adqhw.spec import InputError, Program

MEMORIES = ("activation_words", "weight_rows", "requant_rows", "threshold_rows")


def jobs_of(arch: Arch, nets: list[Program]) -> tuple[int, int]:
    """Most passes and jobs of the plans of `nets`; refused where one does not fit."""
    plans = [check_storage(arch, net) for net in nets]
    jobs = [sum(len(entry.jobs) for entry in plan.passes) for plan in plans]
    return max(len(plan.passes) for plan in plans), max(1, *jobs)


def small_arch(
    nets: list[Program], shape: tuple[int, ...], external: External, micro: str = "decode"
) -> Arch:
    """An Arch of a shape on which all of `nets` run, every memory as small as shares of a tenth
    allow."""
    rows, cols, hold, fill, lanes = shape
    whole = covering(nets, rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=lanes)
    many = replace(external, jobs=1 << 12)
    arch = replace(whole, external=many, storage=replace(whole.storage, passes=1 << 12))
    for name in MEMORIES:
        for share in np.arange(0.2, 1.0, 0.1):
            rows_now = max(1, int(getattr(whole.storage, name) * share))
            tried = replace(arch, storage=replace(arch.storage, **{name: rows_now}))
            try:
                jobs_of(tried, nets)
            except InputError:
                continue
            arch = tried
            break
    passes, jobs = jobs_of(arch, nets)
    storage = replace(arch.storage, passes=passes)
    return replace(arch, storage=storage, external=replace(external, jobs=jobs))
