"""Options of `@task` that do not exist."""

from __future__ import annotations

from typing import Any

import pytest

from stem import ConfigError, task


def test_a_misspelt_option_is_refused_with_the_nearest_name() -> None:
    misspelt: Any = {"quue": "mail"}
    with pytest.raises(ConfigError, match=r"@task has no option 'quue'; did you mean 'queue'\?"):
        task("mail.send", **misspelt)
