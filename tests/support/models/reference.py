"""A second implementation of the contract: Python integers, from a program file's own fields.

It shares no code with `adqhw`: it unpacks weights, decodes codebooks and computes every layer from
the JSON header and the tensors of a file. Integers have no width here, so nothing can wrap; that
sums fit 32 bits and totals 62 is asserted, not relied upon. Maps are lists [channel][row][column].
"""

Map = list[list[list[int]]]


def run(header: dict, tensors: dict, image: Map) -> dict[str, Map]:
    """Every tensor of one image, by name."""
    maps = {"input": image}
    formats = {"input": header["input_format"]}
    for layer in header["layers"]:
        maps[layer["name"]] = _layer(layer, tensors, maps)
        formats[layer["name"]] = _format(layer, tensors, formats)
        low, high = span(formats[layer["name"]])
        assert all(low <= code <= high for code in _flat(maps[layer["name"]]))
    return maps


def span(name: str) -> tuple[int, int]:
    """Lowest and highest value of the format called `name`."""
    width = int(name[1:])
    return (0, 2**width - 1) if name[0] == "u" else (-(2 ** (width - 1)), 2 ** (width - 1) - 1)


def _flat(tensor: Map) -> list[int]:
    return [code for plane in tensor for row in plane for code in row]


def _format(layer: dict, tensors: dict, formats: dict) -> str:
    stage = layer.get("output")
    if stage is None:
        return formats[layer["inputs"][0] if "inputs" in layer else layer["input"]]
    if stage["stage"] == "requant":
        return stage["format"]
    return f"u{(len(tensors[layer['name'] + '.tau'][0]) + 1).bit_length() - 1}"


def _extents(layer: dict, key: str, count: int) -> list[int]:
    """A field that is one integer where all of `count` are equal (contract section 9)."""
    value = layer[key]
    return value if isinstance(value, list) else [value] * count


def _layer(layer: dict, tensors: dict, maps: dict[str, Map]) -> Map:
    kind = layer["kind"]
    if kind == "concat":
        return [plane for name in layer["inputs"] for plane in maps[name]]
    source = maps[layer["input"]]
    if kind == "upsample":
        down, across = _extents(layer, "factor", 2)
        return [
            [[code for code in row for _ in range(across)] for row in plane for _ in range(down)]
            for plane in source
        ]
    if kind == "max_pool":
        return _windows(layer, source, max)
    if kind == "avg_pool":
        sums = _windows(layer, source, sum)
    elif kind == "threshold":
        sums = source
    else:
        sums = _convolve(layer, tensors, source)
    assert all(-(2**31) <= acc < 2**31 for acc in _flat(sums))
    residual = layer.get("skip")
    skip = None if residual is None else (residual, maps[residual["tensor"]])
    return [
        [
            [_output(layer, tensors, c, acc, _skip(skip, c, y, x)) for x, acc in enumerate(row)]
            for y, row in enumerate(plane)
        ]
        for c, plane in enumerate(sums)
    ]


def _windows(layer: dict, source: Map, reduce) -> Map:
    """`reduce` over the codes of each window that lie inside the map."""
    kernel, sizes = _extents(layer, "kernel", 2), (len(source[0]), len(source[0][0]))

    def inside(axis, start):
        return range(max(start, 0), min(start + kernel[axis], sizes[axis]))

    tops, lefts = _starts(layer, kernel, sizes)
    return [
        [
            [
                reduce([plane[y][x] for y in inside(0, top) for x in inside(1, left)])
                for left in lefts
            ]
            for top in tops
        ]
        for plane in source
    ]


def _starts(layer: dict, kernel, sizes) -> list[range]:
    """First line and first column of the windows."""
    stride, padding = _extents(layer, "stride", 2), _extents(layer, "padding", 4)
    return [
        range(-padding[axis], sizes[axis] + padding[axis + 2] - kernel[axis] + 1, stride[axis])
        for axis in (0, 1)
    ]


def levels_of(layer: dict, tensors: dict) -> list[int]:
    """The layer's levels in C order; bit j of code i is bit i*width + j, low bit first."""
    width = layer["weight_width"]
    stream = int.from_bytes(bytes(tensors[layer["name"] + ".weights"].tolist()), "little")
    outs, ins, kernel_h, kernel_w = layer["weights_shape"]
    count = outs * ins * kernel_h * kernel_w
    codes = [(stream >> (i * width)) & (2**width - 1) for i in range(count)]
    if layer["codebook"] is not None:
        return [layer["codebook"][code] for code in codes]
    return [code - 2**width if code >= 2 ** (width - 1) else code for code in codes]


def _convolve(layer: dict, tensors: dict, source: Map) -> Map:
    outs, ins, kernel_h, kernel_w = layer["weights_shape"]
    groups = layer["groups"]
    levels = levels_of(layer, tensors)
    pads = [int(code) for code in tensors[layer["name"] + ".pad_codes"]]
    height, width = len(source[0]), len(source[0][0])

    def code(channel, y, x):
        inside = 0 <= y < height and 0 <= x < width
        return source[channel][y][x] if inside else pads[channel]

    def acc(o, y, x):
        first = o // (outs // groups) * ins
        total, place = 0, o * ins * kernel_h * kernel_w
        for c in range(ins):
            for i in range(kernel_h):
                for j in range(kernel_w):
                    if levels[place]:
                        total += levels[place] * code(first + c, y + i, x + j)
                    place += 1
        return total

    rows, cols = _starts(layer, (kernel_h, kernel_w), (height, width))
    return [[[acc(o, y, x) for x in cols] for y in rows] for o in range(outs)]


def _skip(skip: tuple[dict, Map] | None, c: int, y: int, x: int) -> int:
    if skip is None:
        return 0
    fields, source = skip
    channel = c - fields["channel_offset"]
    if not 0 <= channel < len(source):
        return 0
    return source[channel][y * fields["stride"]][x * fields["stride"]]


def _output(layer: dict, tensors: dict, c: int, acc: int, skip: int) -> int:
    name, stage = layer["name"], layer["output"]

    def row(field):
        values = tensors[f"{name}.{field}"]
        return values[c if len(values) > 1 else 0]

    if stage["stage"] == "threshold":
        sign = int(row("sign"))
        return sum(sign * acc >= int(tau) for tau in row("tau"))
    total = int(row("multiplier")) * acc + stage["skip_multiplier"] * skip + int(row("bias"))
    shift = stage["shift"]
    total += 2 ** (shift - 1) if shift else 0
    assert -(2**61) <= total < 2**61
    low, high = span(stage["format"])
    return min(max(total // 2**shift, low), high)
