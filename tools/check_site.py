"""Checks the links of a built site: every file and every anchor that a page names must be there.

    python tools/check_site.py build/docs

Links to other sites are not followed (the build needs no network): they are listed in
`external-links.txt` beside the pages. Exit code 1 and one line per broken link.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """Anchors of a page, and what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


def broken(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Broken links as `page -> link`, and pages by the external links that they have."""
    pages = {path.resolve(): Page(path.read_text()) for path in sorted(folder.rglob("*.html"))}
    faults: list[str] = []
    external: dict[str, list[str]] = {}
    for path, page in pages.items():
        name = path.relative_to(folder.resolve()).as_posix()
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                external.setdefault(link, []).append(name)
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            known = pages[target].anchors if target in pages else set()
            if not target.exists() or (anchor and anchor not in known):
                faults.append(f"{name} -> {link}")
    return faults, external


def main(folder: str) -> int:
    root = Path(folder)
    faults, external = broken(root)
    lines = [f"{link}  ({', '.join(pages)})" for link, pages in sorted(external.items())]
    (root / "external-links.txt").write_text("\n".join(lines) + "\n")
    for fault in faults:
        print(f"broken link: {fault}", file=sys.stderr)
    count = len(list(root.rglob("*.html")))
    print(f"{count} pages, {len(faults)} broken links, {len(external)} external links listed")
    return 1 if faults or not count else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
