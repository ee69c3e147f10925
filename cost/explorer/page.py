"""Page of the explorer: one file with its data, style and script inside; nothing is fetched."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.files import write_file
from .data import packed
from .waves import MOST_CYCLES, Excerpt, waves_svg

TITLE = "adqhw explorer: bits, arrays and what they cost"
MOST_BYTES = 10_000_000
"""Size of the page: beyond it some browsers and mail programs give up."""
SCRIPTS = (
    "model.js",
    "memories.js",
    "operation.js",
    "charts.js",
    "text.js",
    "state.js",
    "figures.js",
    "network.js",
    "layers.js",
    "gates.js",
    "front.js",
    "tornado.js",
    "controls.js",
    "start.js",
)


def write_page(
    path: str | Path,
    data: Mapping[str, Any],
    *,
    title: str = TITLE,
    waves: Sequence[Excerpt] = (),
) -> int:
    """Write the page of `data` (`page_data`); its bytes. Refuses a page beyond `MOST_BYTES`.

    waves: drawn once, when the page is written.
    """
    content = render(data, title=title, waves=waves).encode("utf-8")
    if len(content) > MOST_BYTES:
        raise InputError(
            f"Page must have at most {MOST_BYTES:,} bytes, not {len(content):,}: fewer programs, "
            f"arrays or micro-architectures"
        )
    write_file(path, content)
    return len(content)


def render(data: Mapping[str, Any], *, title: str = TITLE, waves: Sequence[Excerpt] = ()) -> str:
    """The page as text."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError("jinja2 must be installed for the page: pip install 'adqhw[cosim]'") from (
            error
        )
    from markupsafe import Markup

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page: str = environment.from_string(_asset("page.html.j2")).render(
        title=title,
        disclaimer=data["disclaimer"],
        absent=data["absent"],
        style=Markup(_asset("page.css")),
        script=Markup("\n".join(map(_asset, SCRIPTS))),  # ours, without a closing script tag
        data=packed(data),
        waves=[{"excerpt": one, "svg": Markup(waves_svg(one))} for one in waves],  # escaped there
        most_cycles=MOST_CYCLES,
    )
    return page


def _asset(name: str) -> str:
    return (resources.files(__package__) / "templates" / name).read_text(encoding="utf-8")
