"""Is a mutant the unit? Yosys: register by register, equiv_simple, then equiv_induct."""

import re
import subprocess

from .netlist import SELECT, Model, yosys

STEPS = 4
LIMIT_S = 240


def equivalent(model: Model, number: int) -> bool:
    """True when induction over `STEPS` cycles proves every output and matched register equal.

    Both sides are the same netlist with the select input fixed, to nothing and to this mutant.
    In gates, so that bits of a counter that reach no output are removed from both.
    False is no verdict: a mutant that differs only in unreachable states is not proven.
    """
    sides = "; ".join(
        f"read_rtlil mutated.il; rename unit {name}; cd {name}; "
        f"connect -set {SELECT} 12'd{value}; setattr -unset init w:*; cd ..; "
        f"delete -input {name}/w:{SELECT}; opt_expr {name}"
        for name, value in (("gold", 0), ("gate", number))
    )
    script = (
        f"{sides}; memory_map; techmap; opt_expr; opt_clean -purge; equiv_make gold gate both; "
        f"hierarchy -top both; clean; equiv_struct; equiv_simple -seq 1; "
        f"equiv_induct -seq {STEPS}; equiv_status"
    )
    try:
        log = yosys(model.folder, script, check=False, limit_s=LIMIT_S)
    except subprocess.TimeoutExpired:
        return False
    counts = re.findall(r"Of those cells (\d+) are proven and (\d+) are unproven", log)
    return bool(counts) and int(counts[-1][1]) == 0
