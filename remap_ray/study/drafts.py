"""What people have begun on the page, kept by browser: it outlives reloads and restarts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import JSON, Column, Table, Text, inspect, select
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.errors import InvalidRequest
from remap_ray.space import ModelSpace, Space, spaces
from remap_ray.study import directory, schema
from remap_ray.study.study import Study

__all__ = ["draft_of", "keep_draft", "space_of"]

DRAFTS = Table(
    "drafts",
    schema.METADATA,
    Column("browser", Text, primary_key=True),
    Column("form", JSON, nullable=False),
)
"""Made where it is missing, so that a study of before needs no migration."""

LONGEST = 2_000_000
"""Characters of a draft as JSON."""


def draft_of(study: Study, browser: str) -> dict[str, Any] | None:
    """Give what was kept for a browser, None where nothing was."""
    with study.reading() as connection:
        if not inspect(connection).has_table(DRAFTS.name):
            return None
        found = connection.execute(select(DRAFTS.c.form).where(DRAFTS.c.browser == browser))
        form = found.scalar()
    return None if form is None else dict(form)


def keep_draft(study: Study, browser: str, form: Mapping[str, Any]) -> None:
    """Keep what a browser's person has begun; no reader follows it.

    Raises
    ------
    InvalidRequest
        It is larger than any that the page makes.
    """
    if len(repr(form)) > LONGEST:
        raise InvalidRequest("this draft is too large to be kept: make it smaller, or train it")
    with study.unnumbered() as connection:
        DRAFTS.create(connection, checkfirst=True)
        row = upsert(DRAFTS).values(browser=browser, form=dict(form))
        connection.execute(
            row.on_conflict_do_update(index_elements=("browser",), set_={"form": dict(form)})
        )


def space_of(study: Study) -> ModelSpace:
    """Give the space that a study's models are sampled from, as it was when it was created.

    Raises
    ------
    InvalidRequest
        Its copy is damaged; or it is gone, and the space is none of those that come with REMAP.
    """
    kept = study.path / directory.SPACE
    return spaces.load(kept) if kept.exists() else Space.named(study.space)
