"""Dispatches over closed kinds that a new member would pass through silently.

A closed family is an Enum of the source, or a union of its classes in an annotation or an alias
(`MacLayer | ThresholdLayer | PoolLayer`, `Threshold | Requant`). A dispatch is a
`match` with a case of a family, or two or more tests of one family in one chain: `if`/`elif`,
conditional expressions inside one another, or adjacent `if`s whose bodies leave. It is closed when
what remains meets `assert_never` or `raise`.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Families = Mapping[str, frozenset[str]]
"""Family names of each name: an Enum is its own family, a class those of its unions."""

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True, kw_only=True)
class Open:
    """One open dispatch."""

    file: str
    function: str
    line: int


def families(trees: Mapping[str, ast.Module]) -> Families:
    """Closed families of all modules together."""
    classes = {node.name: node for tree in trees.values() for node in _classes(tree)}
    named = {name: {name} for name, node in classes.items() if _is_enum(node, classes)}
    enums = set(named)
    for tree in trees.values():
        for union in _unions(tree):
            if all(part in classes and part not in enums for part in union):
                family = " | ".join(sorted(union))
                for part in [*union, *_kinds(union, classes)]:
                    named.setdefault(part, set()).add(family)
    return {name: frozenset(families) for name, families in named.items()}


def _classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def _is_enum(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> bool:
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    return any(base.endswith(("Enum", "Flag")) for base in bases) or any(
        base != node.name and base in classes and _is_enum(classes[base], classes) for base in bases
    )


def _kinds(union: list[str], classes: Mapping[str, ast.ClassDef]) -> set[str]:
    """Enums of the `kind` of every class of a union: their members divide the union too."""
    spelled = [
        {
            ast.unparse(field.annotation)
            for field in classes[name].body
            if isinstance(field, ast.AnnAssign) and ast.unparse(field.target) == "kind"
        }
        for name in union
    ]
    return set.union(*spelled)


def _unions(tree: ast.Module) -> Iterator[list[str]]:
    """Names of every `A | B` of an annotation or an alias, None left out."""
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None:
                yield from _unions_in(annotation)
        if isinstance(node, ast.Assign):
            yield from _unions_in(node.value)


def _unions_in(annotation: ast.expr) -> Iterator[list[str]]:
    for node in ast.walk(annotation):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            parts = [part for part in _parts(node) if part != "None"]
            if len(parts) > 1:
                yield parts


def _parts(node: ast.expr) -> list[str]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return [*_parts(node.left), *_parts(node.right)]
    return [ast.unparse(node)]


def opened(file: str, tree: ast.Module, known: Families) -> list[Open]:
    """Open dispatches of one module, by line."""
    return sorted(_Scan(file, known).of(tree), key=lambda found: found.line)


@dataclass(frozen=True)
class _Scan:
    file: str
    known: Families

    def of(self, node: ast.AST, scope: str = "") -> Iterator[Open]:
        inner = scope
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{node.name}".lstrip(".")
        if self._is_open(node):
            yield Open(file=self.file, function=scope or "module", line=node.lineno)
        for _, value in ast.iter_fields(node):
            block = value if isinstance(value, list) else [value]
            for chain in self._chains(block):
                yield Open(file=self.file, function=inner or "module", line=chain.lineno)
            inside = isinstance(node, ast.If | ast.IfExp) and value is node.orelse
            for child in block:
                if not isinstance(child, ast.AST):
                    continue
                # An `elif` belongs to its chain, which was judged from its first `if`.
                if inside and len(block) == 1 and type(child) is type(node):
                    yield from self._below(child, inner)
                else:
                    yield from self.of(child, inner)

    def _below(self, node: ast.AST, scope: str) -> Iterator[Open]:
        """Like `of`, for an `elif`, which is no dispatch of its own."""
        for found in self.of(node, scope):
            if found.line != node.lineno:
                yield found

    def _is_open(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Match):
            kinds = set().union(*(self._pattern(case.pattern) for case in node.cases))
            return bool(kinds) and not _closes(node.cases[-1].body)
        if isinstance(node, ast.If | ast.IfExp):
            tests, rest = _chain(node)
            return self._repeats(tests) and not _closes(rest)
        return False

    def _chains(self, block: list[object]) -> Iterator[ast.If]:
        """First `if` of every open run of adjacent ifs that leave."""
        run: list[ast.If] = []
        for statement in [*block, None]:
            if isinstance(statement, ast.If) and not statement.orelse and _leaves(statement.body):
                run.append(statement)
                continue
            closing = [statement] if isinstance(statement, ast.stmt) else []
            if run and self._repeats([each.test for each in run]) and not _closes(closing):
                yield run[0]
            run = []

    def _repeats(self, tests: list[ast.expr]) -> bool:
        """Two or more of the tests ask for one family."""
        asked = [family for test in tests for family in self._test(test)]
        return len(asked) != len(set(asked))

    def _test(self, test: ast.expr) -> set[str]:
        """Families that a condition asks for."""
        names: set[str] = set()
        for node in ast.walk(test):
            if isinstance(node, ast.Compare):
                names |= {name for side in node.comparators for name in _members(side)}
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                names |= {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
        return set().union(*(self.known.get(name, frozenset()) for name in names))

    def _pattern(self, pattern: ast.pattern) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(pattern):
            if isinstance(node, ast.MatchClass):
                names.add(ast.unparse(node.cls).rpartition(".")[2])
            if isinstance(node, ast.MatchValue):
                names |= set(_members(node.value))
        return set().union(*(self.known.get(name, frozenset()) for name in names))


def _members(node: ast.expr) -> Iterator[str]:
    """Class of every `Class.MEMBER` in an expression."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr.isupper():
            yield ast.unparse(part.value).rpartition(".")[2]


def _chain(node: ast.If | ast.IfExp) -> tuple[list[ast.expr], list[ast.AST]]:
    """Conditions of a whole `if`/`elif` chain, and what its last `else` does."""
    tests = [node.test]
    rest: list[ast.AST] = node.orelse if isinstance(node, ast.If) else [node.orelse]
    while len(rest) == 1 and type(rest[0]) is type(node):
        last = rest[0]
        tests.append(last.test)
        rest = last.orelse if isinstance(last, ast.If) else [last.orelse]
    return tests, rest


def _leaves(body: list[ast.stmt]) -> bool:
    return bool(body) and isinstance(body[-1], _LEAVES)


def _closes(body: list[ast.AST]) -> bool:
    """What remains meets an exception."""
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("assert_never"))
        for statement in body
        for node in ast.walk(statement)
    )


def parsed(root: Path, rooms: tuple[str, ...]) -> dict[str, ast.Module]:
    """Every module of the rooms by its path."""
    files = [file for room in rooms for file in sorted((root / room).rglob("*.py"))]
    return {
        file.relative_to(root).as_posix(): ast.parse(file.read_text())
        for file in files
        if not any(part.is_symlink() for part in file.relative_to(root).parents)
    }
