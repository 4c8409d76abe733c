"""The steps of a workflow, as far as they can be told without running it: a flow's are declared, a script's are read."""

# pyright: basic

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any, Final

import msgspec

from stem.core.events import Mailbox, Topic
from stem.core.flow import Flow
from stem.core.task import TaskDefinition
from stem.core.workflow import AnyDeclaredWorkflow, ScriptWorkflow, WorkflowDefinition

#: Calls of a context whose first argument names a step.
_NAMED: Final = frozenset({"step", "step_in", "sleep", "transaction"})
#: Those that are recorded under the name of a task or workflow, or of an event; and what stands in front of it.
_CALLS: Final = {"call": "", "run": "", "start": "", "enqueue": "enqueue:"}
_EVENTS: Final = {"wait": "", "emit": "emit:", "send": "send:"}
#: Calls of a context that give something with the same calls.
_MAKERS: Final = frozenset({"options", "gather"})
#: Stands for what is only known when the workflow runs.
_OPEN: Final = "[...]"


class Steps(msgspec.Struct, frozen=True):
    """Names in the order of the source; `patched` has the places of those that are behind `ctx.patched`."""

    names: tuple[str, ...] = ()
    patched: tuple[int, ...] = ()


def steps_of(one: AnyDeclaredWorkflow) -> Steps:
    """The steps of a workflow; none when its source cannot be read."""
    if isinstance(one, Flow):
        return Steps(tuple(step.name for step in one.steps))
    if not isinstance(one, ScriptWorkflow):
        return Steps()
    tree = _parsed(one.fn)
    if tree is None:
        return Steps()
    reader = _Reader(inspect.unwrap(one.fn), tree.args)
    for statement in tree.body:
        reader.visit(statement)
    return Steps(tuple(reader.names), tuple(reader.patched))


def _parsed(fn: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        source = inspect.getsource(fn)
        module = ast.parse(f"if True:\n{source}" if source[:1].isspace() else source)
    except (OSError, TypeError, SyntaxError):
        return None
    found = (one for one in ast.walk(module) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return next(found, None)


class _Reader(ast.NodeVisitor):
    """Walks a workflow's function in the order in which it runs: what stands inside of a call comes before it."""

    def __init__(self, fn: Any, args: ast.arguments) -> None:
        self._fn = fn
        first = [one.arg for one in (*args.posonlyargs, *args.args)][:1]
        #: Names that stand for the context, for a `gather`, or for the context with options.
        self._contexts = set(first)
        #: Names that hold the answer of `ctx.patched`.
        self._answers: set[str] = set()
        self._new = 0
        self.names: list[str] = []
        self.patched: list[int] = []

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        names = [one.id for one in node.targets if isinstance(one, ast.Name)]
        if self._is_made(node.value):
            self._contexts.update(names)
        if self._asks(node.value):
            self._answers.update(names)

    def visit_withitem(self, node: ast.withitem) -> None:
        self.generic_visit(node)
        if isinstance(node.optional_vars, ast.Name) and self._is_made(node.context_expr):
            self._contexts.add(node.optional_vars.id)

    def visit_If(self, node: ast.If) -> None:
        self.visit(node.test)
        denied = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
        asked = self._asks(node.test.operand if isinstance(node.test, ast.UnaryOp) else node.test)
        for branch, new in ((node.body, asked and not denied), (node.orelse, asked and denied)):
            self._new += new
            for statement in branch:
                self.visit(statement)
            self._new -= new

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._visit_comprehension(node.generators, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._visit_comprehension(node.generators, node.elt)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._visit_comprehension(node.generators, node.elt)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._visit_comprehension(node.generators, node.key, node.value)

    def _visit_comprehension(self, generators: list[ast.comprehension], *made: ast.expr) -> None:
        """What is gone through and its conditions run before what is made of it, and stand behind it."""
        for one in (*generators, *made):
            self.visit(one)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Attribute) or not self._is_context(node.func.value) or not node.args:
            return
        name = self._name(node, node.func.attr)
        if name is not None:
            if self._new:
                self.patched.append(len(self.names))
            self.names.append(name)

    def _name(self, node: ast.Call, what: str) -> str | None:
        """The name under which this call of a context is recorded; None when it is not known, or none."""
        if what in _NAMED:
            return self._text(node.args[0])
        if what in _EVENTS:
            event = self._event(node, what)
            return None if event is None else f"{_EVENTS[what]}{event}"
        if what in _CALLS:
            called = self._called(node.args[0])
            return None if called is None else f"{_CALLS[what]}{called}"
        return None

    # ---------------------------------------------------------------- what an expression stands for

    def _is_context(self, node: ast.expr) -> bool:
        return (isinstance(node, ast.Name) and node.id in self._contexts) or self._is_made(node)

    def _is_made(self, node: ast.expr) -> bool:
        """`ctx.options(...)`, `ctx.gather()`."""
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in _MAKERS
            and self._is_context(node.func.value)
        )

    def _asks(self, node: ast.expr) -> bool:
        """`await ctx.patched(...)`, or a name that holds its answer."""
        if isinstance(node, ast.Name):
            return node.id in self._answers
        call = node.value if isinstance(node, ast.Await) else None
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr == "patched"
            and self._is_context(call.func.value)
        )

    def _text(self, node: ast.expr) -> str | None:
        """The name a step is given: text as it is, an f-string up to its first open place; None when it is not known."""
        if isinstance(node, ast.JoinedStr):
            known = ""
            for part in node.values:
                if not isinstance(part, ast.Constant):
                    return known.partition("[")[0] + _OPEN
                known += str(part.value)
            return known
        found = node.value if isinstance(node, ast.Constant) else self._value(node)
        return found if isinstance(found, str) else None

    def _called(self, node: ast.expr) -> str | None:
        """`charge` in `charge.build(order).priority(3)`, and `orders.charge` in `orders.charge(id="1")`."""
        while True:
            found = self._value(node)
            if isinstance(found, TaskDefinition | WorkflowDefinition):
                return found.name
            if not isinstance(node, ast.Call | ast.Attribute):
                return None
            node = node.func if isinstance(node, ast.Call) else node.value

    def _event(self, node: ast.Call, what: str) -> str | None:
        """The name of an event, and its key, or the run it is sent to, in brackets."""
        event = self._value(node.args[0])
        if not isinstance(event, Topic | Mailbox):
            return None
        if what == "send":
            return f"{event.name}{_OPEN}"
        key = next((one.value for one in node.keywords if one.arg == "key"), None)
        if key is None:
            return event.name
        known = self._text(key)
        if known is None or known.endswith(_OPEN):
            return f"{event.name}{_OPEN}"
        return f"{event.name}[{known}]" if known else event.name

    def _value(self, node: ast.expr) -> object:
        """What a name of the function's module stands for; None when it is none."""
        if isinstance(node, ast.Attribute):
            return inspect.getattr_static(self._value(node.value), node.attr, None)
        if not isinstance(node, ast.Name) or node.id in self._fn.__code__.co_varnames:
            return None
        closed = inspect.getclosurevars(self._fn)
        return closed.nonlocals.get(node.id, self._fn.__globals__.get(node.id))
