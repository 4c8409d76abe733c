"""stemgen as a hook of a real git repository: what is committed has the stubs of what is committed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stemgen.conftest import ROOT, Project

NEW: str = "from stem import task\n\n\n@task('fresh.f')\ndef f() -> None: ...\n"


class Repository:
    """A project in git, with a hook that runs before each commit."""

    def __init__(self, project: Project, words: str) -> None:
        self.project = project
        self.git("init", "-q")
        project.write({".gitignore": ".stemgen_cache.json\n__pycache__/\n"})
        self.git("add", "-A")
        self.git("commit", "-qm", "first")
        hook = project.folder / ".git/hooks/pre-commit"
        hook.write_text(f"#!/bin/sh\nexec {sys.executable} -m stemgen {words}\n")
        hook.chmod(0o755)

    def git(self, *words: str) -> subprocess.CompletedProcess[str]:
        who = ("-c", "user.name=n", "-c", "user.email=e@x", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *who, *words], cwd=self.project.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}, timeout=60,
        )  # fmt: skip

    def commit(self, *paths: str) -> tuple[bool, str]:
        """Stage these, or everything, and commit: whether the hook let it through, and what it said."""
        self.git("add", *(paths or ("-A",)))
        done = self.git("commit", "-m", "next")
        return done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def repository(shop: Project) -> Repository:
    shop.generate()
    return Repository(shop, "check --staged")


def test_stale_stubs_are_not_committed_and_fresh_ones_are(repository: Repository) -> None:
    repository.project.edit("app/contracts.py", "lives: int = 9", "lives: int = 7")
    passed, said = repository.commit()
    assert not passed
    assert "to change: run stemgen" in said
    repository.project.generate()
    assert repository.commit()[0]
    assert repository.git("status", "--porcelain").stdout == ""


def test_the_stub_of_a_new_namespace_must_be_in_the_commit(repository: Repository) -> None:
    """The files lie there, so check alone is content; the commit would lack one, and who checks it out too."""
    repository.project.write({"app/fresh.py": NEW})
    repository.project.generate()
    changed = ["app/fresh.py", "client/app_client/_names.py", "client/app_client/stem.lock.json"]
    passed, said = repository.commit(*changed)
    assert not passed
    assert "app_client/fresh.py" in said
    assert "git add them" in said
    assert repository.commit()[0]


def test_stubs_that_are_changed_and_not_staged_are_missed(repository: Repository) -> None:
    repository.project.edit("app/contracts.py", "lives: int = 9", "lives: int = 7")
    repository.project.generate()
    passed, said = repository.commit("app/contracts.py")
    assert not passed
    assert "_models/app_contracts.py" in said
    assert repository.commit()[0]


def test_a_hook_that_writes_says_what_is_to_be_added(shop: Project) -> None:
    shop.generate()
    repository = Repository(shop, "--staged")
    shop.write({"app/fresh.py": NEW})
    passed, said = repository.commit("app/fresh.py")
    assert not passed
    assert "app_client/fresh.py" in said
    assert "git add them" in said
    assert repository.commit()[0]


def test_without_a_repository_it_is_said(shop: Project, tmp_path: Path) -> None:
    shop.generate()
    done = shop.run(
        "check", "--staged", env={"GIT_CEILING_DIRECTORIES": str(tmp_path), "GIT_DIR": str(tmp_path / "no")}
    )
    assert done.returncode == 2
    assert "git cannot say what is staged" in done.stderr


def test_the_hooks_of_this_repository_ask_git() -> None:
    text = (ROOT / ".pre-commit-hooks.yaml").read_text()
    assert [line.strip() for line in text.splitlines() if "entry" in line] == [
        "entry: stemgen --staged",
        "entry: stemgen check --staged",
        "entry: stemgen unsent",
    ]
