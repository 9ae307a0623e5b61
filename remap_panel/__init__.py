"""Every way a person touches REMAP.

The door for notebooks: `explore` shows a study, `train` has it trained by a process of its own.
Names are loaded when they are first asked for, since `remap_panel.snac` needs none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from remap_panel.background import BackgroundTraining, train
    from remap_panel.notebook import Explorer, explore

_PLACES = {
    "BackgroundTraining": "remap_panel.background",
    "Explorer": "remap_panel.notebook",
    "explore": "remap_panel.notebook",
    "train": "remap_panel.background",
}

__all__ = ["BackgroundTraining", "Explorer", "explore", "train"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
