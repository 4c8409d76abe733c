"""The app: its one task, and the file its jobs live in. Workers and the command line find it by `-A`."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from pydantic import BaseModel

from stem import RetryPolicy, Stem, TaskContext, task


class Module(BaseModel):
    """A module to look at. The first `stumbles` attempts fail, as a network drive might."""

    name: str
    path: Path
    stumbles: int = 0


class Count(BaseModel):
    """What was found in a module."""

    name: str
    lines: int
    functions: int
    classes: int
    size: int
    sha256: str


@task(
    "census.count",
    max_retries=2,
    retry=RetryPolicy.fixed("250ms", give_up_on=SyntaxError),
    soft_time_limit="20s",
    visibility_timeout="30s",
)
def count(ctx: TaskContext, module: Module) -> Count:
    """Parse, count and hash one module."""
    if ctx.attempt <= module.stumbles:
        raise TimeoutError(f"the drive did not answer at attempt {ctx.attempt}")
    source = module.path.read_bytes()
    tree = ast.parse(source, module.path.name)
    nodes = [type(node) for node in ast.walk(tree)]
    return Count(
        name=module.name,
        lines=source.count(b"\n"),
        functions=nodes.count(ast.FunctionDef) + nodes.count(ast.AsyncFunctionDef),
        classes=nodes.count(ast.ClassDef),
        size=len(source),
        sha256=hashlib.sha256(source).hexdigest(),
    )


app = Stem("sqlite:///.stem/census.db", tasks=[count])
