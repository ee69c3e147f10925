"""Choice: a technology with the memories, the DRAM and the supply that a command was given."""

from .dram_types import load_dram
from .memory_table import load_memories
from .technology import Technology, at_voltage, load, with_dram, with_memories


def chosen(
    tech: str,
    *,
    memories: str | None = None,
    dram: str | None = None,
    voltage: float | None = None,
) -> Technology:
    """The table `tech` with what is given; names of shipped tables or .toml files.

    Each part that replaces the table's own stands in the name of the result, which names its
    designs in tables and files.
    """
    technology = load(tech)
    if memories is not None:
        technology = with_memories(technology, load_memories(memories))
    if dram is not None:
        technology = with_dram(technology, load_dram(dram))
    if voltage is not None:
        technology = at_voltage(technology, voltage)
    return technology
