"""Errors of user input. The command line prints one line and exits with code 2."""


class InputError(ValueError):
    """A file, folder, option or array of the user cannot be used; the message has the reason."""


class ContractError(InputError):
    """A program or array breaks `spec/contract.md`; the message names layer, tensor and index."""


class DiskFullError(InputError):
    """A file could not be written whole: no space is left."""


class SimulationError(RuntimeError):
    """A simulator did not end as it must: it crashed, was stopped, or wrote undefined values."""
