"""The text of every file of the package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import jinja2

from stemgen import layout, naming
from stemgen.build import Package
from stemgen.copying import FOLDER
from stemgen.ir import Field, Module, Task
from stemgen.layout import HEADER, docstring
from stemgen.lock import Lock
from stemgen.typing_source import quoted
from stemgen.verify import verify


def emit(package: Package, name: str, lock: Lock) -> dict[str, str]:
    """Path inside of the package -> text, in the order of the paths."""
    files = {"py.typed": "", "stem.lock.json": lock.text()}
    for space, module in package.spaces.items():
        children = package.children(space)
        if module.tasks:
            files[f"{'/'.join(module.parts)}.py"] = _tasks(module, space)
        if children or not space:
            files["/".join((*space, "__init__.py"))] = _package(package, space, name, lock)
    if package.copies.modules:
        files[f"{FOLDER}/__init__.py"] = f"{HEADER}\n"
    for module in package.copies.modules.values():
        files[f"{'/'.join(module.parts)}.py"] = _models(module)
    files["_names.py"] = _template("names").render(names=[one.name for one in package.tasks])
    files.update(verify(package, name))
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


# ---------------------------------------------------------------- tasks


def _tasks(module: Module, space: Sequence[str]) -> str:
    title = (
        f"Tasks named {'.'.join(space)}.*: call one with its arguments, then `.enqueue(app)`."
        if space
        else "Tasks without a namespace."
    )
    names = {**module.names, "typing": {"TypeAlias as _TypeAlias"}}
    return _template("tasks").render(
        title=title,
        imports=layout.imports(module.whole, names, re_export=True),
        tasks=module.tasks,
        class_doc=lambda one: docstring(one.doc or f"The task {one.name}.", 4),
        call_head=_call_head,
        call_doc=_call_doc,
        call_body=_call_body,
        take=_take,
        instance=_instance,
    )


def _signature(fields: Sequence[Field], *, bare: bool = False) -> list[str]:
    return [
        f"{one.name}: {one.type}{'' if one.required else ' = ...' if bare else f' = _stem.default({one.default})'}"
        for one in fields
    ]


def _call_head(task: Task) -> str:
    given = ["self", *(["*", *_signature(task.fields)] if task.fields else [])]
    return layout.call("def __call__(", given, f") -> _stem.TaskEnqueueBuilder[{task.returns}]:", 4)


def _call_doc(task: Task) -> str:
    summary = task.doc.split("\n\n")[0].strip() or f"A call of {task.name}."
    told = [f"    {one.name}: {' '.join(one.doc.split())}" for one in task.fields if one.doc]
    return docstring("\n".join([summary, *(["", "Args:", *told] if told else [])]), 8)


def _call_body(task: Task) -> str:
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


_TAKE = "This task in a chain: one argument from the part before it, the others from here."


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


# ---------------------------------------------------------------- models


def _models(module: Module) -> str:
    models = list(module.models.values())
    return _template("models").render(
        origin=models[0].origin.__module__,
        imports=layout.imports(module.whole, module.names, re_export=False),
        models=models,
        doc=docstring,
        field_line=_field_line,
    )


def _field_line(field: Field) -> str:
    words = []
    if field.alias:
        words.append(f"alias={quoted(field.alias)}")
    if field.default == "":
        words.append("default_factory=lambda: _stem.default()")
    elif field.alias and field.default is not None:
        words.insert(0, f"default={field.default}")
    if words:
        return f"{field.name}: {field.annotated} = _pydantic.Field({', '.join(words)})"
    return f"{field.name}: {field.annotated}{'' if field.default is None else f' = {field.default}'}"


# ---------------------------------------------------------------- packages


def _package(package: Package, space: tuple[str, ...], name: str, lock: Lock) -> str:
    children, module = package.children(space), package.spaces[space]
    tasks = sorted(_public(module))
    first = children[0] if children else tasks[0]
    title = f"Typed stubs: `from {'.'.join((name, *space))} import {first}`."
    modules = [".".join(one.parts) for one in package.spaces.values() if one.tasks]
    return _template("package").render(
        title=title,
        root=not space,
        children=children,
        tasks=tasks,
        namespaces=_indented(_listed(".", children)),
        from_tasks=_indented(_listed("._tasks", tasks)),
        digest=lock.digest,
        children_set=_names("_NAMESPACES", children),
        tasks_set=_names("_NAMES", tasks),
        modules=_names("_MODULES", sorted(modules)),
    )


def _public(module: Module) -> list[str]:
    """What a file of tasks shows: tasks, the types of their calls, models."""
    models = list(module.taken.values())
    return [name for one in module.tasks for name in (one.attribute, f"{one.class_name}EnqueueBuilder")] + models


def _listed(module: str, names: Sequence[str]) -> str:
    return layout.from_import(module, [f"{one} as {one}" for one in names], layout.WIDTH - 4)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.split("\n"))


def _names(variable: str, names: Sequence[str]) -> str:
    """A tuple of names, assigned."""
    head, listed = f"{variable}: tuple[str, ...] = ", [quoted(one) for one in names]
    if len(names) < 2:
        return f"{head}({''.join(f'{one},' for one in listed)})"
    return layout.call(f"{head}(", listed, ")", 0, comma=len(names) < 4)
