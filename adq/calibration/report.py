"""What a calibration chose and how far the quantized maps are from the float ones."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerReport:
    """One tensor of the program."""

    name: str
    weight_width: int | None
    """Bits of a weight; None without weights."""
    weight_error: float | None
    """Squared error of the weights over their square, both times the inputs' second moments
    where the calibration looks at them."""
    act_width: int | None
    """Bits of its codes; None for logits."""
    end: float | None
    """Real value of the largest code; None without a quantizer of its own."""
    snr_db: float
    """Signal to noise of its values, 10 log10(float^2 / (quantized - float)^2); of logits too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A whole calibration."""

    images: int
    layers: tuple[LayerReport, ...]
    agreement: float
    """Share of the calibration images with the float network's top-1."""
    seconds: float
