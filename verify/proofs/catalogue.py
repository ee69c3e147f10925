"""Every proof: component, configuration, and the seeded bug that must be refuted."""

from dataclasses import replace
from functools import partial

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import BASELINE, DEFAULT, names
from adqhw.rtl.lanes.binned import Binned
from adqhw.rtl.lanes.bit_serial import BitSerial
from adqhw.rtl.lanes.product_table import SharedProducts
from adqhw.rtl.lanes.shift_add import ShiftAdd

from . import (
    binned,
    columns,
    product,
    shift,
    stages,
    streams,
)
from .held_catalogue import held_proofs
from .prover import Proof, bug

WEIGHT_WIDTHS = (2, 3, 4, 8)
ACT_WIDTHS = (2, 4, 8)


READ_AGAIN = r"connect \\A \\current \[0\]", r"connect \\A 1'0"
"""The parameter row is read for every acc, also when the register holds it."""


def _columns() -> list[Proof]:
    proofs = [
        Proof(
            component="lookup-MAC decode",
            configuration=f"weight {w}, act {a}",
            build=partial(columns.column, columns.arch(weight_width=w, act_width=a)),
            abstract=True,
            fault=bug("a tree that subtracts", "column", "add", "sub")
            if (w, a) == (2, 2)
            else None,
            fast=(w, a) == (2, 4),
        )
        for w in WEIGHT_WIDTHS
        for a in ACT_WIDTHS
    ]
    proofs.append(
        Proof(
            component="lookup-MAC decode",
            configuration="weight 2, act 2, 4 rows",
            build=partial(columns.column, columns.arch(weight_width=2, act_width=2, rows=4)),
            abstract=True,
        )
    )
    proofs += [
        Proof(
            component="lookup-MAC uniform",
            configuration=f"weight 8, act {a}",
            build=partial(
                columns.column, columns.arch(weight_width=2, act_width=a, micro=BASELINE)
            ),
            abstract=True,
            fault=bug("a product that is a sum", "multiplying", "mul", "add") if a == 4 else None,
        )
        for a in ACT_WIDTHS
    ]
    proofs += [
        Proof(
            component="lookup-MAC bit_serial",
            configuration=f"weight {w}, act {a}",
            build=partial(
                columns.bit_serial, columns.arch(weight_width=w, act_width=a, micro=BitSerial.name)
            ),
            fault=bug("a tree that subtracts", "column", "add", "sub")
            if (w, a) == (2, 2)
            else None,
        )
        for w in WEIGHT_WIDTHS
        for a in ACT_WIDTHS
    ]
    proofs += [
        Proof(
            component="digit sum",
            configuration=f"level 8, act {a}",
            build=partial(columns.digit_sum, level_width=8, act_width=a),
            fault=("a sum in place of the product", r"cell \$mul ", "cell $add ")
            if a == 2
            else None,
        )
        for a in (2, 4)  # 8 x 8 products are hard for z3: test_proofs.py goes through all
    ]
    return proofs


_FAMILY = {
    "lookup-MAC product_table": (
        product.product_table,
        SharedProducts.name,
        bug("a tree that subtracts", "column", "add", "sub"),
    ),
    "product table": (
        product.table,  # z3 does not finish with 16 codes of 15 words or more: the slice of any one
        SharedProducts.name,
        bug("a word that is the difference", "shared_table", "add", "sub"),
    ),
    "lookup-MAC binned": (
        binned.binned,
        Binned.name,
        bug("a bin that is reduced", Binned.name, "add", "sub"),
    ),
    "lookup-MAC shift_add": (
        shift.shift_add,
        ShiftAdd.name,
        bug("a tree that subtracts", "column", "add", "sub"),
    ),
    "shift codebook": (
        shift.shift_codebook,
        ShiftAdd.name,
        bug("a factor shifted up", "shift_codebook", "shr", "shl"),
    ),
}
"""Component -> design, micro-architecture, seeded bug."""


def _arch(micro: str, weight_width: int, act_width: int) -> Arch:
    """The columns' Arch; 255 bins of a lane are as wide as z3 finishes with."""
    lanes = columns.arch(weight_width=weight_width, act_width=act_width, micro=micro)
    narrow = micro == Binned.name and weight_width == 8
    return replace(lanes, bin_width=8) if narrow else lanes


def _family() -> list[Proof]:
    return [
        Proof(
            component=component,
            configuration=f"weight {w}" + (f", act {a}" if component != "shift codebook" else ""),
            build=partial(
                product.table_slice if component == "product table" and w * a >= 16 else build,
                _arch(micro, w, a),
            ),
            abstract=component == "lookup-MAC binned",
            depth=1 if component == "lookup-MAC binned" else 2,  # enough, and 255 bins are many
            fault=fault if (w, a) == (2, 2) else None,
            reach=20 if component == "product table" else 14,  # built after 15 cycles
            fast=(w, a) == (2, 2),
        )
        for component, (build, micro, fault) in _FAMILY.items()
        for w in WEIGHT_WIDTHS
        for a in ACT_WIDTHS
        # entries do not depend on the activations; digits of 8-bit activations have 4 bits
        if a == 2 or component != "shift codebook"
        if a < 8 or component != "product table"
    ]


def _bounds() -> list[Proof]:
    return [
        *(
            Proof(
                component="product bound",
                configuration=f"level 8, act {a}",
                build=partial(columns.product_bound, level_width=8, act_width=a),
                fault=("a sum in place of the product", r"cell \$mul ", "cell $add ")
                if a == 2
                else None,
                fast=a == 2,
            )
            for a in ACT_WIDTHS
        ),
        *(
            Proof(
                component="accumulator bound",
                configuration=f"level 8, act {a}, acc {14 + a}",
                build=partial(columns.overflow, columns.arch(weight_width=2, act_width=a)),
                fault=bug("an accumulator that subtracts", "multiplying", "add", "sub")
                if a == 2
                else None,
                reach=14,
            )
            for a in ACT_WIDTHS
        ),
    ]


def _stages() -> list[Proof]:
    return [
        *(
            Proof(
                component="threshold unit",
                configuration=f"act {a}, acc 16",
                build=partial(stages.threshold, a),
                fault=bug("> in place of >=", "threshold_unit", "ge", "gt") if a == 2 else None,
                fast=a == 2,
            )
            for a in ACT_WIDTHS
        ),
        *(
            Proof(  # docs/mutation.md: these mutants are equivalent
                component=name,
                configuration="every row read again, " + what,
                build=build,
                abstract=name == "requant unit",
                variant=READ_AGAIN,
            )
            for name, what, build in (
                ("threshold unit", "act 2, acc 16", partial(stages.threshold, 2)),
                ("requant unit", "any limits", partial(stages.requant, 0)),
            )
        ),
        *(
            Proof(
                component="requant unit",
                configuration=(f"out u{a}" if a else "any limits") + ", contract's widths",
                build=partial(stages.requant, a),
                abstract=True,
                fault=bug("a logical shift", "requant_unit", "sshr", "shr") if not a else None,
            )
            for a in (*ACT_WIDTHS, 0)
        ),
    ]


def _streams() -> list[Proof]:
    return [
        *(
            Proof(
                component="streams of drain",
                configuration=f"{cols} columns",
                build=partial(streams.drain, cols),
                fault=bug("the count goes up", "drain", "sub", "add") if cols == 3 else None,
                fast=cols == 3,
            )
            for cols in (1, 3)
        ),
        *(
            Proof(
                component="streams of lane array",
                configuration=micro,
                build=partial(streams.lane_array, micro),
                reach=20,
                fault=bug("a stall that does not hold", "lane_array", "not", "pos")
                if micro == DEFAULT
                else None,
            )
            for micro in names()
        ),
        *(
            Proof(
                component=f"streams of {name}",
                configuration="small",
                build=build,
                reach=20,
                fault=fault,
            )
            for name, build, fault in (
                (
                    "code reader",
                    streams.code_reader,
                    bug("a code is overwritten", "reader", "not", "pos"),
                ),
                (
                    "beat feeder",
                    streams.beat_feeder,
                    bug("a beat is overwritten", "feeder", "not", "pos"),
                ),
                ("max pool", streams.max_pool, bug("the smallest code", "max_pool", "gt", "lt")),
                (
                    "host port",
                    streams.host_port,
                    bug("a write without its data", "lite_port", "and", "or"),
                ),
                (
                    "image gate",
                    streams.image_gate,
                    bug("the rest of an image is handed on", "image_gate", "not", "pos"),
                ),
                (
                    "result gate",
                    streams.result_gate,
                    bug("a result is overwritten", "result_gate", "not", "pos"),
                ),
                (
                    "engine",
                    streams.engine,
                    bug("an output is overwritten", "threshold_unit", "not", "pos"),
                ),
            )
        ),
    ]


def catalogue() -> list[Proof]:
    rows = [_columns(), _family(), _bounds(), _stages(), _streams(), held_proofs()]
    return [proof for part in rows for proof in part]
