"""Text of the site that is made at build time, so that no copy of it can be out of date.

`docs/reference/commands.md` and `python.md` hold an introduction; what follows it is read from the
typer application and from the public names. The pages of the zoo get the lists of their cards.
"""

from typing import Any

from sphinx.application import Sphinx

COMMANDS, PYTHON = "docs/reference/commands", "docs/reference/python"
ZOO = "zoo/README", "zoo/networks/README"

CARDS = """
```{toctree}
:hidden:
:glob:

cards/*
```
"""

CLASSES = {
    "Configuration": (
        "adqhw.QuantizeConfig",
        "adqhw.adq.calibration.config.CalibrationConfig",
        "adqhw.adq.quantizers.methods.Method",
    ),
    "Configuration of a recipe": (
        "adqhw.adq.recipes.config.Recipe",
        "adqhw.adq.recipes.config.DataConfig",
        "adqhw.adq.recipes.config.ModelConfig",
        "adqhw.adq.recipes.quant_config.QuantConfig",
        "adqhw.adq.recipes.config.DistillConfig",
        "adqhw.adq.recipes.config.OptimConfig",
        "adqhw.adq.recipes.config.TrainConfig",
    ),
    "Hardware": ("adqhw.rtl.arch.arch.Arch", "adqhw.rtl.arch.storage.Storage"),
    "Programs": (
        "adqhw.spec.Program",
        "adqhw.spec.Codebook",
        "adqhw.spec.IntFormat",
        "adqhw.spec.MacLayer",
        "adqhw.spec.Threshold",
        "adqhw.spec.Requant",
        "adqhw.spec.engines.Result",
    ),
    "Costs": (
        "adqhw.cost.estimate.estimate.Estimate",
        "adqhw.cost.sweep.designs.Design",
    ),
    "Errors": ("adqhw.spec.errors.InputError", "adqhw.spec.errors.ContractError"),
}
"""What the public functions take and return, by section of the page."""


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", extend)
    return {"parallel_read_safe": True, "version": "1"}


def extend(app: Sphinx, docname: str, source: list[str]) -> None:
    """Add what the code says, and the cards of the zoo's pages."""
    if docname in ZOO:
        source[0] += CARDS
    if docname == COMMANDS:
        source[0] = insert(source[0], commands())
    if docname == PYTHON:
        source[0] = insert(source[0], python())


def insert(page: str, text: str) -> str:
    """The page with text at its mark, which stands alone on a line."""
    before, mark, after = page.partition("<!-- generated from the code -->")
    if not mark:
        raise ValueError("Reference page must have the mark of generated text, not none")
    return before + text + after


def commands() -> str:
    """One section per command, in the order of `adqhw --help`."""
    import typer

    from adqhw.cli import app

    group = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        parts.append(
            f"## adqhw {name}\n\n{command.help}\n\n" if inner else described(name, command)
        )
        for sub, part in (inner or {}).items():
            parts.append(described(f"{name} {sub}", part, "###"))
    return "\n".join(parts)


def described(name: str, command: Any, level: str = "##") -> str:
    """Heading, help, examples and the table of arguments and options of one command."""
    paragraphs = [" ".join(part.split()) for part in command.help.split("\n\n")]
    texts = [part for part in paragraphs if not part.startswith("Example:")]
    examples = [part.removeprefix("Example: ") for part in paragraphs if part not in texts]
    shown = [f"{level} adqhw {name}", *map(prose, texts)]
    if examples:
        shown.append("```sh\n" + "\n".join(examples) + "\n```")
    rows = [row(option) for option in command.params if not getattr(option, "hidden", False)]
    if rows:
        head = ("| argument or option | value | default | |", "| --- | --- | --- | --- |")
        shown.append("\n".join((*head, *rows)))
    return "\n\n".join(shown) + "\n"


def row(option: Any) -> str:
    """One line of a command's table."""
    names = " ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    kind = option.metavar or getattr(option.type_descriptor.annotation, "__name__", "")
    value = "" if getattr(option, "is_flag", False) else f"`{kind}`"
    default = option.default
    unset = default is None or default is False or default == [] or callable(default)
    given = "required" if option.required else "" if unset else f"`{default}`"
    return f"| {names} | {value} | {given} | {prose(option.help or '').replace('|', '&#124;')} |"


def prose(text: str) -> str:
    """Help as Markdown: what would be markup by accident is plain."""
    for sign in "*<_[$":
        text = text.replace(sign, "\\" + sign)
    return text


def python() -> str:
    """Functions of the package's face, then the classes that they take and return."""
    import adqhw

    classes = {name.rpartition(".")[2] for group in CLASSES.values() for name in group}
    functions = [name for name in adqhw.__all__ if name not in classes and name[0] != "_"]
    parts = ["## Functions\n", *(directive("autofunction", f"adqhw.{name}") for name in functions)]
    for title, names in CLASSES.items():
        parts.append(f"## {title}\n")
        parts += [directive("autoclass", name) for name in names]
    return "\n".join(parts)


def directive(kind: str, name: str) -> str:
    """An autodoc directive as MyST takes it."""
    options = "   :members:\n   :undoc-members:\n" if kind == "autoclass" else ""
    return f"```{{eval-rst}}\n.. {kind}:: {name}\n{options}```\n"
