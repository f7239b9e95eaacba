"""Whatever a command loads late can be what is loaded first.

Commands load what they need when they are called, and most tests fork them from a process that has
loaded everything, where modules that wait for one another in a circle would not be noticed. Where
no circle is, every order is as good as any other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

from tests.forked import PACKAGES


def test_no_modules_wait_for_one_another() -> None:
    """So each of them can be loaded first, and none is met half loaded."""
    sources = dict(source for package in PACKAGES for source in _sources(_folder(package)))
    needs = _needs(sources)
    assert "crm_steward.store.database" in needs["crm_steward.store.mirror"]
    assert "crm_steward.store.migrations" not in needs["crm_steward.store.database"]

    assert _circle(needs) == []


def test_a_circle_is_found() -> None:
    """Through a package's own names, in a block, and past what is loaded late or by checkers alone."""
    sources = {
        "pack": "from pack.one import word",
        "pack.one": "try:\n    pass\nexcept OSError:\n    from pack import two\nword = 1",
        "pack.two": "class Two:\n    from pack import word",
        "pack.late": "def first():\n    from pack import late\n    import pack.late",
        "pack.seen": "if TYPE_CHECKING:\n    import pack.seen\nimport pack.late",
    }

    assert set(_circle(_needs(sources))) == {"pack", "pack.one", "pack.two"}
    assert _circle(_needs(sources | {"pack": ""})) == []


def _folder(package: str) -> Path:
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    for path in folder.rglob("*.py"):
        name = ".".join(path.relative_to(folder.parent).with_suffix("").parts)
        yield name.removesuffix(".__init__"), path.read_text("utf-8")


def _needs(sources: Mapping[str, str]) -> dict[str, set[str]]:
    """Map each module to those that it loads while it is loaded itself."""
    return {
        name: set(_imported(ast.parse(source).body, sources)) for name, source in sources.items()
    }


def _imported(body: Iterable[ast.AST], known: Mapping[str, str]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.Import(names=names):
                yield from (one.name for one in names if one.name in known)
            case ast.ImportFrom(module=str(module), names=names) if module in known:
                for one in names:
                    inside = f"{module}.{one.name}"
                    yield inside if inside in known else module
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=other):
                yield from _imported(other, known)
            case _:
                yield from _imported(ast.iter_child_nodes(node), known)


def _circle(needs: Mapping[str, set[str]]) -> list[str]:
    """Return modules that need one another, the first of them once more at the end."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []
