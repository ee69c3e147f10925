"""What Icarus needs to start Yosys's combinational processes."""

import re

# Yosys writes `reg FLAG = 0;` and reads FLAG in each `always @*`, so that the process runs at time
# zero. Icarus 11 initializes before any process waits: there is no event, and what depends only on
# registers that keep their initial value stays X (seen: a codebook whose levels are all 0).
_FLAG = re.compile(r"reg (\\\$auto\$verilog_backend\S*dump_module\S* ) *= 0;")


def with_first_event(texts: dict[str, str]) -> dict[str, str]:
    """Verilog `texts` by file name whose flags change once all processes wait."""
    return {name: _FLAG.sub(r"reg \1; initial \1 <= 0;", text) for name, text in texts.items()}
