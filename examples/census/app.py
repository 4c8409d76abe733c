"""The app: its one task, and where its jobs live. Workers and the command line find it by `-A`."""

from __future__ import annotations

import ast
import hashlib
import os
import threading
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


#: Two threads in `ast.parse` at once disturb each other in Python 3.11 and 3.12 (gh-106905).
_parsing = threading.Lock()


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
    with _parsing:
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


# a file of its own, unless the environment names a server: STEM_URL=redis://localhost make demo
app = Stem(
    os.environ.get("STEM_URL", "sqlite:///.stem/census.db"),
    namespace=os.environ.get("STEM_NAMESPACE", "census"),
    tasks=[count],
)
