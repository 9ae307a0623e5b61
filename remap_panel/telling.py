"""How all that watches a state is told of a change, whatever one of the watchers does."""

from __future__ import annotations

import logging
from typing import Any

import param

__all__ = ["tell"]

LOG = logging.getLogger(__name__)


def tell(state: param.Parameterized, changed: dict[str, Any]) -> list[Exception]:
    """Set parameters and tell all that watches them, even where one of the watchers fails.

    With ``state.param.update`` the first error would leave the rest of the views as they were.

    Parameters
    ----------
    changed
        The new values by name; their watchers are told even where a value is the same.

    Returns
    -------
    list of Exception
        What went wrong in watchers; it is in the log too.
    """
    before = {name: getattr(state, name) for name in changed}
    with param.parameterized.discard_events(state):
        state.param.update(**changed)
    events = {
        name: param.parameterized.Event(
            what="value",
            name=name,
            obj=state,
            cls=type(state),
            old=before[name],
            new=value,
            type="changed",
        )
        for name, value in changed.items()
    }
    watchers = {
        id(one): one
        for name in changed
        for one in state.param.watchers.get(name, {}).get("value", ())
    }
    errors: list[Exception] = []
    for one in sorted(watchers.values(), key=lambda each: each.precedence):
        mine = [events[name] for name in one.parameter_names if name in events]
        try:
            if one.mode == "args":
                one.fn(*mine)
            else:
                one.fn(**{event.name: event.new for event in mine})
        except Exception as error:
            LOG.exception("a view could not be told of %s", ", ".join(each.name for each in mine))
            errors.append(error)
    return errors
