"""Image files as an array that is read on demand.

A few threads decode what is indexed (Pillow releases the interpreter lock while it decodes and
resizes). A JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is still at least the size
wanted (`Image.draft`), which saves most of a full decode. The format is that of the content, not of
the name, and one of `FORMATS`: no other decoder is called. The size is checked before a pixel is
decoded. 16-bit samples keep their high byte, grey or colour; palettes become their colours;
transparency is dropped; CMYK is converted by Pillow; of animations the first frame is taken; EXIF
rotation is not applied, as in torchvision.
"""

import math
import struct
import warnings
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ...spec.host.limits import demand

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "BMP", "WEBP")
MAX_PIXELS = 1 << 26
"""Of an image: 67 million, more than any of ImageNet's."""
PIXEL_BYTES = 8
"""Of each decoded pixel: Pillow's four, twice where the mode is converted."""
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr")
"""Of Pillow, with 8 bits; `convert` defines each of them."""
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, OverflowError)
"""Exceptions of Pillow on damaged files."""
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)
"""Of a random resized crop (Szegedy et al. 2015), as a share of the image and width / height."""
RESIZE = 256 / 224
"""Evaluation: the short side is this multiple of the crop."""
_CROP_STREAM = 2
"""Word of the seed; 0 and 1 belong to `augment`."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderConfig:
    """How files become pixels."""

    size: int | tuple[int, int]
    """Height and width of the network's input; one number for both."""
    channels: int = 3
    """3: RGB; 1: grey."""
    workers: int = 4
    """Threads that decode; the pixels do not depend on them."""

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size


class ImageFiles:
    """Images as an array that is read on demand: (N, C, height, width) uint8, centre crops.

    Indexing by a slice or by an array of indices gives a NumPy array; `crops` gives augmented ones.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, paths: Sequence[Path], config: FolderConfig) -> None:
        self.paths, self.config = list(paths), config

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, C, height, width)."""
        return len(self.paths), self.config.channels, *self.config.sides

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: slice | NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._decode([(self.paths[i], None, False) for i in np.arange(len(self))[index]])

    def first(self, count: int) -> "ImageFiles":
        """The first ``count`` images, still on disk."""
        return ImageFiles(self.paths[:count], self.config)

    def crops(
        self, chosen: NDArray[np.int64], *, flip: bool, seed: int, epoch: int, step: int
    ) -> NDArray[np.uint8]:
        """Random resized crops of a batch, half of them mirrored; a function of the arguments."""
        generator = np.random.default_rng([seed, _CROP_STREAM, epoch, step])
        draws = generator.random((len(chosen), 10, 4))
        mirrored = generator.random(len(chosen)) < 0.5
        return self._decode(
            [
                (self.paths[i], draws[k], flip and bool(mirrored[k]))
                for k, i in enumerate(chosen.tolist())
            ]
        )

    def _decode(
        self, jobs: list[tuple[Path, NDArray[np.float64] | None, bool]]
    ) -> NDArray[np.uint8]:
        size = math.prod(self.shape[1:])
        demand(len(jobs) * size, f"{len(jobs)} images of {self._wanted} pixels at once")
        out = np.empty((len(jobs), *self.shape[1:]), np.uint8)
        if not jobs:
            return out
        list(self._pool.map(lambda k: self._one(out[k], *jobs[k]), range(len(jobs))))
        return out

    @property
    def _wanted(self) -> str:
        height, width = self.config.sides
        return f"{width}x{height}"

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        from PIL.Image import DecompressionBombWarning

        # sizes of which Pillow only warns are beyond MAX_PIXELS
        warnings.filterwarnings("error", category=DecompressionBombWarning)
        return ThreadPoolExecutor(self.config.workers, thread_name_prefix="decode")

    def _one(
        self, out: NDArray[np.uint8], path: Path, draws: NDArray[np.float64] | None, flip: bool
    ) -> None:
        """Decode one file into ``out`` (C, height, width)."""
        from PIL import Image

        try:
            with Image.open(path, formats=FORMATS) as image:
                width, height = image.size
                self._check_size(path, width, height)
                aspect = self._aspect()
                if draws is None:
                    box = centre(width, height, aspect)
                else:
                    box = random_box(width, height, draws, aspect[0] / aspect[1])
                pixels = self._pixels(image, box)
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(
                f"Image {str(path)!r} must have at most {MAX_PIXELS} pixels: {error}"
            ) from error
        except _BROKEN as error:
            raise InputError(
                f"Image {str(path)!r} must be readable as {', '.join(FORMATS)}: {error}"
            ) from error
        out[:] = pixels[:, :, ::-1] if flip else pixels

    def _aspect(self) -> tuple[int, int]:
        """Width and height of the network's input in lowest terms."""
        height, width = self.config.sides
        common = math.gcd(height, width)
        return width // common, height // common

    def _check_size(self, path: Path, width: int, height: int) -> None:
        """Refuse images too large for the decoders of all threads, and images of no size."""
        if not 0 < width * height <= MAX_PIXELS:
            raise InputError(
                f"Image {str(path)!r} must have 1..{MAX_PIXELS} pixels, not {width}x{height}"
            )
        need = PIXEL_BYTES * width * height * self.config.workers
        demand(need, f"Image {str(path)!r} of {width}x{height} on data.workers threads")

    def _pixels(self, image: "Image", box: Box) -> NDArray[np.uint8]:
        from PIL.Image import Resampling

        tall, wide = self.config.sides
        mode = "L" if self.config.channels == 1 else "RGB"
        width, height = image.size
        # the whole image at the scale at which the box is as wanted; only JPEG uses it
        wanted = wide / (box[2] - box[0]) * width, tall / (box[3] - box[1]) * height
        image.draft(mode, (max(1, int(wanted[0])), max(1, int(wanted[1]))))
        x, y = image.size[0] / width, image.size[1] / height
        right, bottom = min(box[2] * x, image.size[0]), min(box[3] * y, image.size[1])
        scaled = box[0] * x, box[1] * y, right, bottom
        plain = image if image.mode == mode else _eight_bits(image).convert(mode)
        small = plain.resize((wide, tall), Resampling.BILINEAR, box=scaled)
        pixels = np.asarray(small, np.uint8)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _eight_bits(image: "Image") -> "Image":
    """The image with samples of 8 bits, of 16-bit grey the high byte (`convert` would clip)."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode not in MODES:
        raise ValueError(f"a pixel format of mode {image.mode!r}")
    return image


def centre(width: int, height: int, aspect: tuple[int, int] = (1, 1)) -> Box:
    """The centre crop of an image whose tighter side is `RESIZE` crops long, in its own pixels.

    aspect: width and height of the crop in lowest terms.
    """
    unit = min(width / aspect[0], height / aspect[1]) / RESIZE
    wide, tall = unit * aspect[0], unit * aspect[1]
    left, top = (width - wide) / 2, (height - tall) / 2
    return left, top, left + wide, top + tall


def random_box(width: int, height: int, draws: NDArray[np.float64], aspect: float = 1.0) -> Box:
    """The first of ten random boxes (draws: (10, 4) in [0, 1)) that lies in the image.

    Else the largest centred box with an allowed ratio, as torchvision does. aspect: width over
    height of what the box is scaled to; it multiplies the ratios.
    """
    areas = width * height * (AREA[0] + draws[:, 0] * (AREA[1] - AREA[0]))
    ratios = np.exp(np.log(RATIO[0]) + draws[:, 1] * (np.log(RATIO[1]) - np.log(RATIO[0])))
    ratios *= aspect
    widths, heights = np.rint(np.sqrt(areas * ratios)), np.rint(np.sqrt(areas / ratios))
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    if not fits.any():
        w = min(width, height * RATIO[1] * aspect)
        h = min(height, width / (RATIO[0] * aspect))
        return (width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2
    k = int(np.argmax(fits))
    w, h = widths[k], heights[k]
    left = np.floor(draws[k, 2] * (width - w + 1))
    top = np.floor(draws[k, 3] * (height - h + 1))
    return float(left), float(top), float(left + w), float(top + h)
