"""The cases of the ablation: differences from the baseline, in words and as recipe changes."""

from dataclasses import dataclass

DIGITS, CIFAR10 = "digits", "cifar10"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One line of the table: a training run and its changes of the recipe."""

    group: str
    name: str
    changes: tuple[str, ...] = ()
    """`--set` assignments on top of the budget's recipe."""

    @property
    def taught(self) -> bool:
        """Whether the run needs a teacher."""
        return any(change.startswith("distill.mode=") for change in self.changes)

    @property
    def exports(self) -> bool:
        """Whether there is an integer program (not for ASQ's step per image)."""
        return not any(change.startswith("quant.method.activations=asq") for change in self.changes)


def _bits(width: int) -> tuple[str, ...]:
    return f"quant.weight_width={width}", f"quant.act_width={width}"


def cases() -> list[Case]:
    """Every case, in the order of the table; equal runs occur once per group they belong to."""
    groups = (_starts, _adaptation, _mixed, _activations, _distillation, _weights, _two_bits)
    return [case for group in groups for case in group()]


def _starts() -> list[Case]:
    texts = {
        "mid": "quantiles (i-0.5)/m (the recipe)",
        "edge": "quantiles i/(m+1)",
        "tail": "quantiles of density^(1/3)",
        "uniform": "uniform",
        "random": "random (Forgy)",
        "kmeans": "k-means",
    }
    found = [
        Case(group="start", name=text, changes=(*_bits(3), f"quant.method.init={init}"))
        for init, text in texts.items()
    ]
    frozen = [
        Case(
            group="start",
            name=f"{texts[init]}, no EMA",
            changes=(*_bits(3), f"quant.method.init={init}", "quant.method.ema=off"),
        )
        for init in ("mid", "uniform", "random")
    ]
    lloyd = Case(
        group="start",
        name="quantiles (i-0.5)/m, 20 Lloyd steps",
        changes=(*_bits(3), "quant.lloyd_steps=20"),
    )
    return [*found, lloyd, *frozen]


def _adaptation() -> list[Case]:
    settings = {
        "the recipe": (),
        "EMA off": ("quant.method.ema=off",),
        "decay 0.9": ("quant.decay=0.9",),
        "decay 0.99": ("quant.decay=0.99",),
        "decay 0.999": ("quant.decay=0.999",),
        "decay 0.99, count/sum form": ("quant.decay=0.99", "quant.method.ema=count"),
        "decay 0.9, every 10 steps": ("quant.decay=0.9", "quant.method.ema_period=10"),
        "tied signs, 2^b - 1 levels": (RESERVED, "quant.method.tie_sign=true"),
        "scale per channel": ("quant.method.per_channel=true",),
    }
    rows = [
        Case(group="adaptation", name=f"{name}, 3 bits", changes=(*_bits(3), *changes))
        for name, changes in settings.items()
    ]
    return rows + [
        Case(group="adaptation", name=f"{name}, {width} bits", changes=(*_bits(width), *changes))
        for width in (2, 3)
        for name, changes in SWITCHES.items()
        if changes or width == 2
    ]


RESERVED = "quant.method.levels=reserved"
SWITCHES = {
    "the recipe": (),
    "2^b - 1 levels": (RESERVED,),
    "gradient not clipped": ("quant.method.clip=false",),
    "values by gradient beside the EMA": ("quant.method.level_gradient=true",),
    "values by gradient, EMA off": ("quant.method.level_gradient=true", "quant.method.ema=off"),
    "levels rounded at the freeze": ("quant.method.early_rounding=false",),
    "dead values kept": ("quant.method.dead=keep",),
    "all of these as before 2^b levels": (
        RESERVED,
        "quant.method.clip=false",
        "quant.method.early_rounding=false",
        "quant.method.dead=keep",
        "quant.decay=0.99",
    ),
}
"""What the codebook of 2^b levels brought with it, each alone switched off (or on)."""


def _mixed() -> list[Case]:
    rows = [Case(group="mixed precision", name="uniform, 3 bits", changes=_bits(3))]
    for kind in ("fisher", "hessian", "error", "loss"):
        changes = (
            *_bits(3),
            "quant.average_weight_bits=3.0",
            f"allocation.sensitivity={kind}",
        )
        rows.append(
            Case(group="mixed precision", name=f"2/3/4 bits, average 3, {kind}", changes=changes)
        )
    return rows


def _activations() -> list[Case]:
    names = {"n2uq": "N2UQ", "lsq": "LSQ", "pact": "PACT"}
    rows = [
        Case(
            group="activations",
            name=f"{text}, {width} bits, ADQ weights",
            changes=(*_bits(width), f"quant.method.activations={rule}"),
        )
        for width in (2, 3)
        for rule, text in names.items()
    ]
    rows += [
        Case(
            group="activations",
            name=f"{text}, {width} bits, POST weights",
            changes=(
                *_bits(width),
                "quant.method.weights=post",
                f"quant.method.activations={rule}",
            ),
        )
        for width in (2, 3)
        for rule, text in (("lsq", "LSQ"), ("asq", "ASQ adaptive step"))
    ]
    return rows


def _distillation() -> list[Case]:
    modes = {"off": "no teacher", "kl": "CE + KL, T = 2", "soft": "soft CE only"}
    return [
        Case(
            group="distillation",
            name=f"{text}, {width} bits",
            changes=(*_bits(width), *([f"distill.mode={mode}"] if mode != "off" else [])),
        )
        for width in (2, 3)
        for mode, text in modes.items()
    ]


def _weights() -> list[Case]:
    rules = {
        "ADQ": ("adq",),
        "ADQ, 2^b - 1 levels": ("adq", RESERVED),
        "LSQ": ("lsq",),
        "APoT": ("apot",),
        "PoT": ("pot",),
        "POST": ("post",),
        "N2UQ rule": ("n2uq",),
    }
    return [
        Case(
            group="weights",
            name=f"{text}, W{width}/A4",
            changes=(
                f"quant.weight_width={width}",
                "quant.act_width=4",
                f"quant.method.weights={rule}",
                *more,
            ),
        )
        for width in (2, 3, 4)
        for text, (rule, *more) in rules.items()
    ]


def _two_bits() -> list[Case]:
    # The claim at two bits, under the conditions of its long runs: from one W4/A4 checkpoint
    # (--init), with a teacher, both rules with the same activations.
    return [
        Case(
            group="two bits",
            name=f"{text}, W2/A{act}",
            changes=(
                "quant.weight_width=2",
                f"quant.act_width={act}",
                f"quant.method.weights={rule}",
                "distill.mode=kl",
            ),
        )
        for act in (4, 2)
        for text, rule in (("ADQ", "adq"), ("LSQ", "lsq"))
    ]
