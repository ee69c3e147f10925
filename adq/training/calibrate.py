"""The start of quantization is in `networks.calibrate`; this is its name among the trainer's."""

from ..networks.calibrate import calibrate, recalibrate_batch_norm, start_fakequant

__all__ = ["calibrate", "recalibrate_batch_norm", "start_fakequant"]
