"""Edits of Yosys's Verilog for emission: names, no initial zeros, a first event."""

import re

from ..spec.errors import InputError
from ..spec.host.text import shown

PREFIX = "adqhw"
"""Default prefix of the names of modules and of the files of an emitted folder."""
_MODULES = ("column", "engine", "accelerator", "top", "memories", r"memory_\w+")
_PREFIX = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_MAX_PREFIX = 40

# One line per row, all 0: no memory is read before it is loaded.
_ZEROS = re.compile(
    r"^ *initial begin\n *(\S+ ?)\[0\] = \d+'h0+;\n(?: *\1\[\d+\] = \d+'h0+;\n)* *end\n",
    re.MULTILINE,
)

# Yosys writes `reg FLAG = 0;` and reads FLAG in each `always @*`, so that the process runs at time
# zero. Icarus 11 initializes before any process waits: there is no event, and signals that depend
# only on registers that keep their initial value stay X (a codebook whose levels are all 0).
_FLAG = re.compile(r"^ *reg (\\\$auto\$verilog_backend\S*dump_module\S* ) *= 0;\n", re.MULTILINE)
_QUIET = re.compile(r"\\\S+|//[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|/\*.*?\*/", re.DOTALL)
"""Escaped names, comments, strings."""
_ORDERS = re.compile(r"\$[A-Za-z_]\w*|`\w*|\b(?:import|export|bind|program|include)\b")
_ALLOWED = {"$signed", "$unsigned", "`ifdef", "`else", "`endif"}
_FIRST_EVENT = r"""`ifdef __ICARUS__
  reg \1; initial \1 <= 0;
`else
  reg \1 = 0;
`endif
"""


# Yosys writes the attribute of a register with its declaration only; synthesis merges equal
# registers whose process does not have it.
_KEPT = re.compile(r"^ *\(\* keep = 32'd1 \*\)\n *reg (?:\[\d+:\d+\] )?(\S+)", re.MULTILINE)
_PROCESS = re.compile(r"^( *)(always @\(posedge \S+\)\n *(?:if \(\S+\) )?(\S+) <=)", re.MULTILINE)


def registers_kept(text: str) -> str:
    """Verilog whose registers of attribute `keep` are not merged with equal ones."""
    kept = {name.rstrip(";") for name in _KEPT.findall(text)}

    def marked(process: re.Match[str]) -> str:
        mark = f"{process[1]}(* keep *)\n" if process[3] in kept else ""
        return f"{mark}{process[0]}"

    return _PROCESS.sub(marked, text)


def check_prefix(prefix: str) -> str:
    """`prefix` if Verilog, C, file systems and FuseSoC all take it as the beginning of names."""
    if len(prefix) > _MAX_PREFIX or not _PREFIX.fullmatch(prefix):
        raise InputError(
            "Prefix must be lower-case letters, digits and single '_' between them, a letter "
            f"first, at most {_MAX_PREFIX} characters, not {shown(prefix)}"
        )
    return prefix


def finished(text: str, prefix: str = PREFIX) -> str:
    """Yosys's Verilog as it is emitted: modules named by `prefix`, right in every simulator."""
    return renamed(_FLAG.sub(_FIRST_EVENT, _ZEROS.sub("", text)), PREFIX, prefix)


def renamed(text: str, old: str, new: str) -> str:
    """Emitted Verilog whose modules are called `new_...` instead of `old_...`."""
    if old == new:
        return text
    return re.sub(rf"\b{old}_(?=(?:{'|'.join(_MODULES)})\b)", f"{new}_", text)


def check_plain(text: str, what: str) -> str:
    """Emitted Verilog from a file, if it does nothing but describe hardware.

    A simulator executes system tasks (`$system` runs a command) and directives (`include` reads a
    file); emitted text has only those allowed here.
    """
    bare = _QUIET.sub(" ", text)
    order = next((word for word in _ORDERS.findall(bare) if word not in _ALLOWED), None)
    if order is not None:
        raise InputError(f"{what} must only describe hardware, not use {order!r}")
    return text


def module_name(module: str, prefix: str) -> str:
    """The name under `prefix` of a module that is called `adqhw_...` by default."""
    return f"{prefix}_{module.removeprefix(f'{PREFIX}_')}"
