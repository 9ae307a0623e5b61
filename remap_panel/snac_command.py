"""``remap snac``: pictures of a study's models for papers and slides."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from remap_panel.export_command import number
from remap_panel.snac import SCALE, SIZES, draw, table
from remap_panel.snac.drawing import DPI
from remap_panel.snac.figure import Value
from remap_ray.space.terms import LAYERS, Terms
from remap_ray.study import Model, open_study

__all__ = ["COLUMNS", "add_snac"]

Say = Callable[[str], None]

COLUMNS: Mapping[str, Callable[[Model], Value]] = {
    "accuracy": lambda model: model.accuracy,
    "training accuracy": lambda model: model.train_accuracy,
    "loss": lambda model: model.validation_loss,
    "parameters": lambda model: model.parameters,
    "flops": lambda model: model.flops,
    # The output layer is one; the classes of trees are no column.
    "layers": lambda model: model.design.countable + model.design.ordered,
    "epochs": lambda model: model.epochs,
    "seconds": lambda model: round(model.seconds),
    "origin": lambda model: str(model.origin),
    "parent": lambda model: "" if model.parent is None else f"m{model.parent}",
    "changes": lambda model: model.words,
}
"""What can stand beside the models of a figure; accuracy and loss are the validation part's."""

SPOKEN: Mapping[str, Callable[[Terms], str]] = {
    "parameters": lambda terms: terms.size,
    "flops": lambda terms: terms.steps,
    "layers": lambda terms: terms.parts,
}
"""What columns are headed by where a study's models are no networks."""


def add_snac(commands: Any, say: Say) -> None:
    """Add ``snac`` to the subcommands of ``remap``; ``say`` prints a line."""
    parser = commands.add_parser(
        "snac",
        help="draw models for a paper",
        description="Draw the chip of a model, or of several as one table, as SVG, PDF or PNG.",
    )
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's directory")
    parser.add_argument("models", type=number, nargs="+", metavar="MODEL", help="such as m17")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="FILE", help="an .svg, .pdf or .png"
    )
    parser.add_argument(
        "--size", choices=tuple(SIZES), help="default large, and medium for several models"
    )
    parser.add_argument(
        "--title", metavar="TEXT", help="what stands above; by default the study and the model"
    )
    parser.add_argument("--legend", action="store_true", help="tell below what the blocks mean")
    parser.add_argument(
        "--sizes", action="store_true", help="write under each block what leaves the layer"
    )
    parser.add_argument("--fold", action="store_true", help="draw what repeats once, with a count")
    parser.add_argument(
        "--columns",
        type=_columns,
        default=(),
        metavar="LIST",
        help=f"what to tell of each model, such as accuracy,parameters; of {', '.join(COLUMNS)}",
    )
    parser.add_argument(
        "--align",
        action="store_true",
        help="put layers that belong together below each other, and mark what differs",
    )
    parser.add_argument("--fixed-height", action="store_true", help="draw all blocks equally high")
    parser.add_argument(
        "--own-scale",
        action="store_true",
        help="let heights run from the smallest to the largest tensor of these models",
    )
    parser.add_argument(
        "--dpi", type=_dots, default=DPI, metavar="N", help=f"dots per inch of a .png ({DPI})"
    )
    parser.set_defaults(run=lambda given: _snac(given, say))


def _snac(given: argparse.Namespace, say: Say) -> int:
    with open_study(given.study) as study:
        models = [study.model(one) for one in given.models]
        name, terms = study.name, study.data.terms
    options = {
        "sizes": given.sizes,
        "fold": given.fold,
        "legend": given.legend,
        "fixed_height": given.fixed_height,
    }
    if len(models) == 1 and not (given.columns or given.own_scale):
        title = f"{name} {models[0].name}" if given.title is None else given.title
        drawing = draw(models[0], given.size or "large", title, **options)
    else:
        drawing = table(
            models,
            columns={
                headed(one, terms): [COLUMNS[one](model) for model in models]
                for one in given.columns
            },
            size=given.size or "medium",
            title=name if given.title is None else given.title,
            scale=None if given.own_scale else SCALE,
            align="structure" if given.align else "left",
            **options,
        )
    say(str(drawing.save(given.output, dpi=given.dpi)))
    return 0


def headed(column: str, terms: Terms) -> str:
    """Give the heading of a column, in the words of what a study's models are made of."""
    return column if terms is LAYERS or column not in SPOKEN else SPOKEN[column](terms)


def _columns(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(one.strip() for one in text.split(",")))
    if unknown := [one for one in names if one not in COLUMNS]:
        raise argparse.ArgumentTypeError(
            f"there is no column {unknown[0]!r}; known are {', '.join(COLUMNS)}"
        )
    return names


def _dots(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)
