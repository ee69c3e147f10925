"""Every proof: component, configuration, and the seeded bug that must be refuted."""

from functools import partial

from . import columns, stages, streams
from .prover import Proof

WEIGHT_WIDTHS = (2, 3, 4, 8)
ACT_WIDTHS = (2, 4, 8)

SUBTRACTS = ("a sum subtracts", r"cell \$add ", "cell $sub ")
NEVER = r"assign \\{name} 1'0"


def _columns() -> list[Proof]:
    proofs = [
        Proof(
            component="lookup-MAC decode",
            configuration=f"weight {w}, act {a}",
            build=partial(columns.column, columns.arch(weight_width=w, act_width=a)),
            abstract=True,
            fault=SUBTRACTS if (w, a) == (2, 2) else None,
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
                columns.column, columns.arch(weight_width=2, act_width=a, micro="uniform")
            ),
            abstract=True,
            fault=("a product of unsigned levels", r"connect \\A \\level_0\b", r"connect \\A 8'00000001")
            if a == 4
            else None,
        )
        for a in ACT_WIDTHS
    ]
    return proofs


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
                fault=SUBTRACTS if a == 2 else None,
                reach=40 // (1 << a) + 6,
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
                fault=("> in place of >=", r"cell \$ge ", "cell $gt ") if a == 2 else None,
                fast=a == 2,
            )
            for a in ACT_WIDTHS
        ),
        *(
            Proof(
                component="requant unit",
                configuration=(f"out u{a}" if a else "any limits") + ", contract's widths",
                build=partial(stages.requant, a),
                abstract=True,
                fault=("a logical shift", r"cell \$sshr ", "cell $shr ") if not a else None,
            )
            for a in (*ACT_WIDTHS, 0)
        ),
    ]


# Seeded bugs of the stream proofs: a register that takes a new value although it must wait.
def _streams() -> list[Proof]:
    multi = ("bit_serial", "product_table", "binned", "shift_add")
    return [
        *(
            Proof(
                component="streams of drain",
                configuration=f"{cols} columns",
                build=partial(streams.drain, cols),
                fault=("the count goes up", r"cell \$sub ", "cell $add ") if cols == 3 else None,
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
                fault=("a stall that does not hold", r"cell \$not ", "cell $pos ")
                if micro == "decode"
                else None,
            )
            for micro in ("decode", "uniform", *multi)
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
                ("code reader", streams.code_reader, ("a code is dropped", r"cell \$or ", "cell $and ")),
                ("beat feeder", streams.beat_feeder, ("a beat is dropped", r"cell \$or ", "cell $and ")),
                ("max pool", streams.max_pool, ("the smallest code", r"cell \$gt ", "cell $lt ")),
                ("host port", streams.host_port, ("a response is dropped", r"cell \$or ", "cell $and ")),
                ("engine", streams.engine, ("an output is dropped", r"cell \$or ", "cell $and ")),
            )
        ),
    ]


def catalogue() -> list[Proof]:
    return [*_columns(), *_bounds(), *_stages(), *_streams()]
