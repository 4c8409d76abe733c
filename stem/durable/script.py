"""Calling a workflow's code: a script is one function, a flow is its steps in order."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from stem.core.flow import Flow
from stem.core.workflow import AnyDeclaredWorkflow, ScriptWorkflow
from stem.durable.context import Context
from stem.errors import ConfigError


def body_of(workflow: AnyDeclaredWorkflow, ctx: Context, params: object) -> Coroutine[object, None, Any]:
    """The code of one run."""
    if isinstance(workflow, Flow):
        return _in_order(workflow, ctx)
    if isinstance(workflow, ScriptWorkflow):
        made: Coroutine[Any, Any, Any] = workflow.fn(ctx, params) if workflow.takes_params else workflow.fn(ctx)
        return made
    raise ConfigError(f"{workflow!r} has no code to run")


async def _in_order(flow: Flow[Any, Any], ctx: Context) -> Any:
    result: Any = None
    for one in flow.steps:
        result = await ctx.options(auto_version=one.auto_version).step_in(one.name, one.fn)
    return result
