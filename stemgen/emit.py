"""The text of every file of the package."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

import jinja2

from stemgen import layout, naming
from stemgen.build import Package
from stemgen.copying import FOLDER
from stemgen.ir import Event, Field, Model, Module, Task, Workflow
from stemgen.layout import HEADER, docstring
from stemgen.lock import Lock
from stemgen.typing_source import quoted
from stemgen.verify import verify


def emit(package: Package, name: str, lock: Lock) -> dict[str, str]:
    """Path inside of the package -> text, in the order of the paths."""
    files = {"py.typed": "", "stem.lock.json": lock.text()}
    roots = {name, *package.roots()}
    for space, module in package.spaces.items():
        children = package.children(space)
        if module.stubs:
            files[f"{'/'.join(module.parts)}.py"] = _stubs(module, space, name, roots)
        if children or not space:
            files["/".join((*space, "__init__.py"))] = _package(package, space, name, lock)
    if package.copies.modules:
        files[f"{FOLDER}/__init__.py"] = f"{HEADER}\n"
    for module in package.copies.modules.values():
        files[f"{'/'.join(module.parts)}.py"] = _models(module, name, roots)
    files["_names.py"] = _template("names").render(literals=_literals(package).items())
    files.update(verify(package, name, roots))
    return {path: files[path] for path in sorted(files)}


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("stemgen"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - Python, not HTML
    )


def _template(name: str) -> jinja2.Template:
    return _environment().get_template(f"{name}.py.j2", globals={"header": HEADER})


# ---------------------------------------------------------------- tasks, workflows and events


def _stubs(module: Module, space: Sequence[str], own: str, roots: set[str]) -> str:
    aliases = {"typing": {"TypeAlias as _TypeAlias"}} if module.tasks or module.workflows else {}
    names = _absolute({**module.names, **aliases}, module.parts, own)
    return _template("tasks").render(
        title=_title(module, space),
        imports=layout.imports(module.whole, names, roots),
        exported=layout.exported(_public(module)),
        tasks=module.tasks,
        workflows=module.workflows,
        events=module.events,
        task_doc=lambda one: docstring(one.doc or f"The task {one.name}.", 4),
        workflow_doc=lambda one: docstring(one.doc or f"The workflow {one.name}.", 4),
        call_head=lambda one: _call_head(one, "TaskEnqueueBuilder"),
        run_head=lambda one: _call_head(one, "WorkflowCall"),
        call_doc=lambda one: _call_doc(one, f"A call of {one.name}."),
        run_doc=lambda one: _call_doc(one, f"A run of {one.name}, not yet started."),
        call_body=_call_body,
        take=_take,
        instance=_instance,
        run_instance=_run_instance,
        event_instance=_event_instance,
    )


def _absolute(names: Mapping[str, set[str]], parts: Sequence[str], own: str) -> dict[str, set[str]]:
    """Imports from this package by its name, whose dots would be counted from `module`."""
    return {f"{own}.{_from(parts, one)}" if one.startswith(".") else one: said for one, said in names.items()}


def _from(parts: Sequence[str], relative: str) -> str:
    """What a relative import means in the file of these parts, under the package."""
    path = relative.lstrip(".")
    above = parts[: len(parts) - (len(relative) - len(path))]
    return ".".join([*above, *([path] if path else [])])


def _title(module: Module, space: Sequence[str]) -> str:
    """What a file has, and what is done with it."""
    kinds = [kind for kind, there in (("tasks", module.tasks), ("workflows", module.workflows)) if there]
    named = f" named {'.'.join(space)}.*" if space else " without a namespace"
    ends = [end for end, there in (("enqueue", module.tasks), ("start", module.workflows)) if there]
    usage = "" if not space else f": call one with its arguments, then {' or '.join(f'`.{end}(app)`' for end in ends)}"
    told = f"{' and '.join(kinds)}{named}{usage}." if kinds else ""
    if module.events:
        told = f"Events: `.emit(app, ...)` a topic, `.send(app, ...)` to a mailbox.{' Also ' if told else ''}{told}"
    return f"{told[:1].upper()}{told[1:]}"


#: Characters of a default that a signature shows.
_LONGEST_SHOWN: Final = 40
#: Defaults that are made by calls which linters do not know to be harmless: models, URLs, addresses.
_MADE_BY_CALLS: Final = re.compile(r"(?<![\w.])[A-Z]\w*\(|_(?:pydantic|ipaddress|uuid)\.")


def _signature(fields: Sequence[Field], *, bare: bool = False) -> list[str]:
    return [f"{one.name}: {one.type}{_given(one, bare=bare)}{'' if bare else _shadows(one.name)}" for one in fields]


def _given(one: Field, *, bare: bool) -> str:
    """The default as a call shows it; that of a model, and a long one, is the worker's affair."""
    if one.required:
        return ""
    hidden = _MADE_BY_CALLS.search(one.default or "") or len(one.default or "") > _LONGEST_SHOWN
    shown = "" if hidden else one.default
    return " = ..." if bare else f" = _stem.default({shown})"


def _shadows(name: str) -> str:
    return f"{layout.QUIET}A002" if hasattr(builtins, name) else ""


def _call_head(one: Task | Workflow, made: str) -> str:
    given = ["self", *(["*", *_signature(one.fields)] if one.fields else [])]
    return layout.call("def __call__(", given, f") -> _stem.{made}[{one.returns}]:", 4)


def _call_doc(one: Task | Workflow, otherwise: str) -> str:
    summary = one.doc.split("\n\n")[0].strip() or otherwise
    told = [f"* `{each.name}`: {' '.join(each.doc.split())}" for each in one.fields if each.doc]
    return docstring("\n".join([summary, *(["", *told] if told else [])]), 8)


def _call_body(task: Task | Workflow) -> str:
    if not all(naming.is_keyword(one.alias or one.name) for one in task.fields):
        pairs = [f"{quoted(one.alias or one.name)}: {one.name}" for one in task.fields]
        return layout.call("return self._bind(**{", pairs, "})", 8)
    return layout.call("return self._bind(", [f"{one.alias or one.name}={one.name}" for one in task.fields], ")", 8)


def _take(task: Task) -> str:
    """One overload for each field that may come from the part before in a chain."""
    many = len(task.fields) > 1
    heads = [_take_head(task, one) for one in task.fields]
    if not many:
        return f"{heads[0]}\n{docstring(_TAKE, 8)}\n        return self._take(_field)"
    overloads = "\n".join(f"    @_t.overload\n{head} ..." for head in heads)
    given = ["self", "_field: str", "/", "**given: _t.Any"]
    last = layout.call("def take(", given, f") -> _stem.Composable[_t.Any, {task.returns}]:", 4)
    return f"{overloads}\n{last}\n{docstring(_TAKE, 8)}\n        return self._take(_field, **given)"


_TAKE = "In a chain: one argument from the part before, the others from here."


def _take_head(task: Task, taken: Field) -> str:
    rest = [one for one in task.fields if one is not taken]
    given = ["self", f"_field: _t.Literal[{quoted(taken.name)}]", "/"]
    given += ["*", *_signature(rest, bare=True)] if rest else []
    return layout.call("def take(", given, f") -> _stem.Composable[{taken.type}, {task.returns}]:", 4)


def _instance(task: Task) -> str:
    parts = [
        quoted(task.name),
        f"args={task.args}",
        f"returns={task.reads}",
        f'schema="{task.schema}"',
        *task.options,
    ]
    return layout.call(f"{task.attribute} = _{task.class_name}Task(", parts, ")", 0, comma=len(parts) <= 4)


def _run_instance(one: Workflow) -> str:
    parts = [
        quoted(one.name),
        f"params={one.params}",
        f"returns={one.reads}",
        f'schema="{one.schema}"',
        *one.options,
    ]
    return layout.call(f"{one.attribute} = _{one.class_name}Workflow(", parts, ")", 0, comma=len(parts) <= 4)


def _event_instance(one: Event) -> str:
    head = f"{one.attribute}: _stem.{one.kind}[{one.payload}] = _stem.{one.kind}("
    parts = [quoted(one.name), f"payload={one.reads}", *one.options]
    return layout.call(head, parts, ")", 0, comma=len(parts) <= 4)


# ---------------------------------------------------------------- models


def _models(module: Module, own: str, roots: set[str]) -> str:
    models = list(module.models.values())
    return _template("models").render(
        origin=models[0].origin.__module__,
        imports=layout.imports(module.whole, _absolute(module.names, module.parts, own), roots),
        head=lambda one: layout.call(f"class {one.name}(", [one.bases], "):", 0) + _as_it_is(one),
        models=models,
        doc=docstring,
        field_doc=lambda text, indent: docstring(text, indent, of_field=True),
        field_line=_field_line,
        config=lambda one: layout.call("model_config = _pydantic.ConfigDict(", one.config, ")", 4),
    )


def _as_it_is(model: Model) -> str:
    """An enum mixed with `str` is copied as such: a StrEnum reads otherwise in f-strings."""
    return f"{layout.QUIET}UP042" if model.bases.startswith("str, ") else ""


def _field_line(field: Field) -> str:
    words = []
    if field.alias:
        words.append(f"alias={quoted(field.alias)}")
    if field.default == "":
        words.append("default_factory=lambda: _stem.default()")
    elif field.alias and field.default is not None:
        words.insert(0, f"default={field.default}")
    quiet = f"{layout.QUIET}PLW0108" if field.default == "" else ""  # by itself it is of no type that fits
    said = (
        f" = _pydantic.Field({', '.join(words)})" if words else "" if field.default is None else f" = {field.default}"
    )
    line = f"{field.name}: {field.annotated}{said}"
    if len(line) + 4 > layout.WIDTH and len(said) > len(field.annotated) and not words:
        return f"{field.name}: {field.annotated} = (\n        {said.removeprefix(' = ')}\n    ){quiet}"
    if len(line) + 4 <= layout.WIDTH or "[" not in field.annotated:
        return f"{line}{quiet}"
    parts = _alternatives(field.annotated)
    if len(parts) > 1:
        return f"{field.name}: (\n        {f'{chr(10)}        | '.join(parts)}\n    ){said}{quiet}"
    kind, _, inner = field.annotated.partition("[")
    return f"{field.name}: {kind}[\n        {inner.removesuffix(']')}\n    ]{said}{quiet}"


def _alternatives(source: str) -> list[str]:
    """The parts of a union as they are written, or the one type."""
    tree, parts = ast.parse(source, mode="eval").body, []
    while isinstance(tree, ast.BinOp):
        parts.append(ast.get_source_segment(source, tree.right) or "")
        tree = tree.left
    return [ast.get_source_segment(source, tree) or "", *reversed(parts)]


# ---------------------------------------------------------------- packages


def _package(package: Package, space: tuple[str, ...], name: str, lock: Lock) -> str:
    children, module = package.children(space), package.spaces[space]
    stubs = sorted(_public(module))
    first = children[0] if children else stubs[0]
    literals = [] if space else list(_literals(package))
    finders = [] if space else [finder for finder in _FINDERS if getattr(package.declared, finder.attribute)]
    own = [] if space else ["REGISTRY_DIGEST", *(one.name for one in finders)]
    modules = [".".join(one.parts) for one in package.spaces.values() if one.tasks or one.workflows]
    return _template("package").render(
        title=f"Typed stubs: `from {'.'.join((name, *space))} import {first}`.",
        root=not space,
        children=children,
        stubs=stubs,
        literals=literals,
        from_names=_indented(_listed(f"{name}._names", literals)),
        namespaces=_indented(_listed(".".join((name, *space)), children)),
        from_tasks=_indented(_listed(".".join((name, *space, "_tasks")), stubs)),
        digest=lock.digest,
        children_set=_names("_NAMESPACES", children),
        stubs_set=_names("_NAMES", stubs),
        exported=layout.exported([*own, *literals, *children, *stubs]),
        modules=_names("_MODULES", sorted(modules)),
        literals_set=_names("_LITERALS", literals),
        own="".join(f"{quoted(one)}, " for one in own),
        finders=[one.text for one in finders],
    )


class _Finder(NamedTuple):
    """A function of the package that gives all of one kind; `attribute` says whether there are any."""

    name: str
    attribute: str
    text: str


def _finder(name: str, attribute: str, kind: str, stub: str, doc: str) -> _Finder:
    text = (
        f"def {name}() -> list[_stem.{kind}[_Any, _Any]]:\n"
        f'    """{doc}"""\n'
        '    modules = [_import(f"{__name__}.{name}") for name in _MODULES]\n'
        "    found = [one for module in modules for one in vars(module).values()]\n"
        f"    return [one for one in found if isinstance(one, _stem.{stub})]"
    )
    return _Finder(name, attribute, text)


_FINDERS: Final = (
    _finder(
        "all_tasks",
        "tasks",
        "TaskDefinition",
        "StubTask",
        "Every task, as for `Stem[TaskName](url, tasks=all_tasks())`.",
    ),
    _finder(
        "all_workflows",
        "workflows",
        "WorkflowDefinition",
        "StubWorkflow",
        "Every workflow, as for `Stem(url, workflows=all_workflows())`.",
    ),
)


def _literals(package: Package) -> dict[str, list[str]]:
    """The types of names, of what there is."""
    declared = package.declared
    found = {
        "TaskName": [one.name for one in declared.tasks],
        "WorkflowName": [one.name for one in declared.newest],
        "EventName": sorted({one.event.name for one in declared.events}),
    }
    return {literal: names for literal, names in found.items() if names}


def _public(module: Module) -> list[str]:
    """What a file of stubs shows: tasks, workflows and events, the types of their calls, models."""
    aliases = [
        *(f"{one.class_name}EnqueueBuilder" for one in module.tasks),
        *(f"{one.class_name}WorkflowCall" for one in module.workflows),
    ]
    return [*(one.attribute for one in module.stubs), *aliases, *module.taken.values()]


def _listed(module: str, names: Sequence[str]) -> str:
    return layout.from_import(module, sorted(names, key=layout.order), layout.WIDTH - 4)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _names(variable: str, names: Sequence[str]) -> str:
    """A tuple of names, assigned."""
    head, listed = f"{variable}: tuple[str, ...] = ", [quoted(one) for one in names]
    if len(names) < 2:
        return f"{head}({''.join(f'{one},' for one in listed)})"
    return layout.call(f"{head}(", listed, ")", 0, comma=len(names) < 4)
