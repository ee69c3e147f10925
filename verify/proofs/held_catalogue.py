"""Proofs of arrays that hold weights, of what feeds them and of what is behind them."""

from functools import partial

from adqhw.rtl.arch.registry import DEFAULT
from adqhw.rtl.lanes.bit_serial import BitSerial
from adqhw.rtl.lanes.product_table import SharedProducts
from adqhw.rtl.lanes.shift_add import ShiftAdd

from . import arrays, feeds, jobs, machine, master, output_lane, output_stage
from .prover import Proof, bug


def _feeds() -> list[Proof]:
    """Of arrays that hold weights."""
    return [
        Proof(
            component="streams of held feeder",
            configuration="small",
            build=feeds.held_feeder,
            reach=20,
            fault=bug("a beat is overwritten", "feeder", "not", "pos"),
        ),
        Proof(
            component="streams of beat buffer",
            configuration="small",
            build=feeds.beat_buffer,
            fault=bug("a beat is overwritten", "beat_buffer", "not", "pos"),
            fast=True,
        ),
        *(
            Proof(
                component="streams of weight feeder",
                configuration=f"{fill} positions",
                build=partial(feeds.weight_feeder, fill),
                reach=20,
                fault=bug("fields are overwritten", "weight_feeder", "not", "pos")
                if fill == 2
                else None,
                fast=fill == 2,
            )
            for fill in (1, 2, 3)
        ),
        *(
            Proof(
                component="words of fold unit",
                configuration=f"{rows} rows",
                build=partial(feeds.fold_unit, rows),
                reach=20,
                fault=bug("all words but one are forgotten", "fold_unit", "sub", "add")
                if rows == 2
                else None,
            )
            for rows in (1, 2, 3)
        ),
    ]


def _arrays() -> list[Proof]:
    """Of arrays that hold weights: their columns, two and five rows; their control."""
    return [
        *(
            Proof(
                component=f"held column {micro}",
                configuration=f"{rows} rows",
                build=partial(arrays.column, arrays.arch(micro, rows=rows, **widths), terms),
                abstract=terms is arrays.products,
                fault=bug("a tree that subtracts", "held", "add", "sub") if rows == 2 else None,
                fast=rows == 2 and micro == DEFAULT,
            )
            for micro, terms, widths in arrays.COLUMNS
            for rows in (2, 5)
            if rows == 2 or terms is not arrays.entries  # z3 takes seven minutes
        ),
        *(
            Proof(
                component="groups of held array",
                configuration=micro,
                build=partial(arrays.groups, micro),
                reach=20,
                fault=bug("a bank is taken twice", "banks", "sub", "add")
                if micro == DEFAULT
                else None,
                fast=micro == DEFAULT,
            )
            for micro in (DEFAULT, BitSerial.name, SharedProducts.name, ShiftAdd.name)
        ),
    ]


def _output() -> list[Proof]:
    """Output lanes of arrays that hold weights."""
    return [
        *(
            Proof(
                component="output lane requant",
                configuration=f"parts of {part_width} bits, acc 5, multiplier 4",
                build=partial(output_lane.requant, part_width),
                reach=16,
                fault=bug("a logical shift", "output_lane", "sshr", "shr")
                if part_width == 17
                else None,
            )
            for part_width in (17, 2)
        ),
        *(
            Proof(
                component="output lane threshold",
                configuration=f"act {act_width}, acc 5",
                build=partial(output_lane.threshold, act_width),
                reach=20,
                fault=bug("> in place of >=", "output_lane", "ge", "gt")
                if act_width == 2
                else None,
                fast=act_width == 2,
            )
            for act_width in (1, 2, 4)
        ),
        Proof(
            component="chunks of chunk walker",
            configuration="2 lanes",
            build=output_stage.chunks,
            reach=10,
            fault=bug("blocks without an end", "chunk_walker", "and", "or"),
        ),
        Proof(
            component="rows of parameters",
            configuration="4 rows",
            build=output_stage.parameters,
            reach=10,
            fault=bug("rows backwards", "parameter_rows", "add", "sub"),
        ),
        Proof(
            component="streams of output stage",
            configuration="2 lanes",
            build=output_stage.results,
            reach=22,
            fault=bug("a result is overwritten", "output_stage", "not", "pos"),
        ),
    ]


def _machine() -> list[Proof]:
    """Around arrays that hold weights, and to external memory."""
    return [
        Proof(
            component="passes of held sequencer",
            configuration="4 passes",
            build=machine.sequencer,
            reach=20,
            fault=bug("the row before the next one", "sequencer", "add", "sub"),
        ),
        *(
            Proof(
                component="words of held memory",
                configuration="with jobs" if external else "without jobs",
                build=partial(machine.memory, external),
                fault=bug("a read needs both ports", "memories", "or", "and"),
            )
            for external in (False, True)
        ),
        *(
            Proof(
                component="jobs of job engine",
                configuration=what,
                build=partial(jobs.jobs, code_width),
                reach=14,
                fault=bug("banks in another order", "unpacker", "add", "sub")
                if code_width == 8
                else None,
            )
            for what, code_width in (("rows in a beat", 1), ("rows of two beats", 8))
        ),
        Proof(
            component="bursts of AXI master",
            configuration="4 beats, 2 outstanding",
            build=master.master,
            reach=10,
            fault=bug("a burst as long as can be", "axi_master", "lt", "gt"),
        ),
    ]


def held_proofs() -> list[Proof]:
    return [proof for part in (_feeds(), _arrays(), _output(), _machine()) for proof in part]
