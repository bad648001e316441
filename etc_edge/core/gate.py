"""Gates: conditions over measured figures, such as `drop.tc > 0.003`, that a release is held to.

    condition   comparisons of numbers (< <= > >= == !=, also chained), and, or, not
    number      figures by their path (`latency_ms.p99`, `accuracy.iou["traffic light"]`, `reference.…`, `base.…`),
                constants, + - * /, abs, min, max, and low and high, which are the ends of a figure's 95 % interval

Python's parser reads the text and a list of allowed nodes walks it; nothing is ever executed. Every figure is looked
up before anything is decided, so that a wrong name is an error even where the other half of an `or` holds already.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import UnsetType

from etc_edge.core.errors import GateError
from etc_edge.core.figure_paths import ANY, Path, is_known, known_paths, measured_figures, path_text
from etc_edge.core.results import Results
from etc_edge.core.table import nearest

BASE = "base"
LONGEST = 500

_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
# Name: what it does, and the least number of arguments; `abs` takes exactly one.
_FUNCTIONS: dict[str, tuple[Callable[..., float], int]] = {"abs": (abs, 1), "min": (min, 2), "max": (max, 2)}
_ENDS = {"low": 0, "high": 1}


@dataclass(frozen=True)
class GateOutcome:
    """What a gate found.

    Args:
        expression: the gate's text.
        fired: whether its condition holds, which fails the release.
        figures: every figure that it looked at, by the text of its path.
    """

    expression: str
    fired: bool
    figures: Mapping[str, float]

    def sentence(self) -> str:
        """The condition and the figures that it was decided on."""
        seen = ", ".join(f"{name} is {value:.6g}" for name, value in self.figures.items())
        return f"{self.expression}: {seen}" if seen else self.expression


@dataclass(frozen=True)
class Gate:
    """A condition that was read and whose names are known.

    Args:
        expression: its text.
        tree: its parsed form.
    """

    expression: str
    tree: ast.expr

    @classmethod
    def parse(cls, expression: str) -> Gate:
        """Read a condition, before anything is measured.

        Raises:
            GateError: it is no condition, holds something that gates do not have, or a name that no results have.
        """
        if len(expression) > LONGEST:
            raise GateError(f"Found a gate of {len(expression)} characters, expected at most {LONGEST}.")
        try:
            tree = ast.parse(expression.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            why = error.msg if isinstance(error, SyntaxError) else "it cannot be read"
            raise GateError(f"Found the gate {expression!r}: {why}.", "Example: drop.tc > 0.003") from error
        gate = cls(expression.strip(), tree)
        _Walk(gate.expression, None, None).condition(tree)
        return gate

    @property
    def needs_base(self) -> bool:
        """Whether it names a figure of the base."""
        return any(isinstance(node, ast.Name) and node.id == BASE for node in ast.walk(self.tree))

    def decide(self, results: Results, base: Results | None = None) -> GateOutcome:
        """Work the condition out.

        Args:
            results: what is held to it.
            base: what `base.…` means.

        Raises:
            GateError: a figure that it names was not measured, there is no base, or a division by zero.
        """
        walk = _Walk(self.expression, results, base)
        return GateOutcome(self.expression, walk.condition(self.tree), walk.seen)


@dataclass
class _Walk:
    """One walk over a condition: with results it works it out, without any it only checks it."""

    expression: str
    results: Results | None
    base: Results | None
    seen: dict[str, float] = field(default_factory=dict)

    def condition(self, node: ast.expr) -> bool:
        if isinstance(node, ast.BoolOp):
            parts = [self.condition(value) for value in node.values]
            return all(parts) if isinstance(node.op, ast.And) else any(parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return not self.condition(node.operand)
        if isinstance(node, ast.Compare):
            numbers = [self.number(value) for value in (node.left, *node.comparators)]
            compare = [self._known(_COMPARISONS, kind, node) for kind in node.ops]
            return all(holds(*pair) for holds, *pair in zip(compare, numbers, numbers[1:], strict=False))
        raise self._error(node, "a comparison such as drop.tc > 0.003")

    def number(self, node: ast.expr) -> float:
        if isinstance(node, ast.Constant) and type(node.value) in (int, float):
            return self._constant(node)
        if isinstance(node, ast.BinOp):
            left, right = self.number(node.left), self.number(node.right)
            return self._divided(self._known(_ARITHMETIC, node.op, node), left, right)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            value = self.number(node.operand)
            return -value if isinstance(node.op, ast.USub) else value
        if isinstance(node, ast.Call):
            return self._call(node)
        return self._figure(self._path(node))

    def _constant(self, node: ast.Constant) -> float:
        try:
            return float(node.value)  # type: ignore[arg-type]
        except OverflowError as error:
            raise self._error(node, "a number of a size that can be measured") from error

    def _divided(self, operation: Callable[[float, float], float], left: float, right: float) -> float:
        try:
            return operation(left, right)
        except ZeroDivisionError as error:
            if self.results is None:
                return 1.0
            raise GateError(f"Found a division by zero in the gate {self.expression!r}.") from error

    def _call(self, node: ast.Call) -> float:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _ENDS and len(node.args) == 1 and not node.keywords:
            return self._end(name, self._path(node.args[0]))
        if name not in _FUNCTIONS or node.keywords:
            raise self._error(node, f"one of the functions {', '.join([*_FUNCTIONS, *_ENDS])}")
        function, least = _FUNCTIONS[name]
        if len(node.args) < least or (name == "abs" and len(node.args) > 1):
            raise self._error(node, f"{'one argument' if name == 'abs' else 'two arguments or more'}")
        return function(*(self.number(argument) for argument in node.args))

    def _path(self, node: ast.expr) -> Path:
        """The names of `a.b["c"]`, in order."""
        if isinstance(node, ast.Name):
            return (node.id,)
        if isinstance(node, ast.Attribute):
            return (*self._path(node.value), node.attr)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and type(node.slice.value) is str:
            return (*self._path(node.value), node.slice.value)
        raise self._error(node, "a figure, a number, + - * /, or a function")

    def _figure(self, path: Path) -> float:
        holder, inner = self._holder(path)
        if holder is None:
            return 1.0
        figures = measured_figures(holder)
        if inner not in figures:
            raise self._absent(path, inner, figures)
        return self.seen.setdefault(path_text(path), figures[inner])

    def _end(self, name: str, path: Path) -> float:
        holder, inner = self._holder(path)
        if holder is None:
            return 1.0
        intervals = {} if isinstance(holder.intervals, UnsetType) else holder.intervals
        if inner[0] == "reference" and not isinstance(holder.reference, UnsetType):
            inner = inner[1:]
            intervals = {} if isinstance(holder.reference.intervals, UnsetType) else holder.reference.intervals
        if ".".join(inner) not in intervals:
            known = ", ".join(intervals) or "nothing"
            raise GateError(
                f"Found no interval of {path_text(path)}, which the gate {self.expression!r} asks for.",
                f"There are intervals of: {known}. More frames give more of them.",
            )
        return self.seen.setdefault(f"{name}({path_text(path)})", intervals[".".join(inner)][_ENDS[name]])

    def _holder(self, path: Path) -> tuple[Results | None, Path]:
        """The results that a path is about, None when there are none yet, and the path within them."""
        of_base = path[0] == BASE and len(path) > 1
        inner = path[1:] if of_base else path
        if not is_known(inner):
            prefix = f"{BASE}." if of_base else ""
            known = [prefix + path_text(one) for one in known_paths() if ANY not in one]
            raise GateError(
                f"Found {path_text(path)} in the gate {self.expression!r}, which is no figure.",
                nearest(path_text(path), known),
            )
        if of_base and self.results is not None and self.base is None:
            raise GateError(
                f"Found {path_text(path)} in the gate {self.expression!r} without results to compare with.",
                "Give two results files to compare, or --baseline FILE to evaluate.",
            )
        return (self.base if of_base else self.results), inner

    def _absent(self, path: Path, inner: Path, figures: Mapping[Path, float]) -> GateError:
        siblings = [one[-1] for one in figures if one[:-1] == inner[:-1] and len(one) == len(inner)]
        # Names that the data bring along, such as classes: there the name may be wrong after all.
        hint = nearest(inner[-1], siblings) if siblings and (*inner[:-1], ANY) in known_paths() else None
        return GateError(
            f"Found no measured {path_text(path)}, which the gate {self.expression!r} asks for.",
            hint
            or "Figures of the reference and drops need evaluate --reference; tc needs clips of two frames or more.",
        )

    def _known(
        self, table: Mapping[type, Callable[..., object]], operation: object, node: ast.expr
    ) -> Callable[..., bool]:
        if type(operation) not in table:
            raise self._error(node, "one of + - * / < <= > >= == !=")
        return table[type(operation)]  # type: ignore[return-value]

    def _error(self, node: ast.expr, expected: str) -> GateError:
        found = ast.get_source_segment(self.expression, node) or self.expression
        return GateError(f"Found {found!r} in the gate {self.expression!r}, expected {expected}.")
