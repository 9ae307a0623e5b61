"""The model card: what a model is, how it was found, and what it was measured to do."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping, Sequence

from remap_ray.export.measured import Latency, Tested
from remap_ray.recipe import Recipe
from remap_ray.study import Model, Study
from remap_ray.version import VERSION

__all__ = [
    "CONFUSION",
    "PICTURE",
    "accuracy_section",
    "card",
    "confusions",
    "escaped",
    "files_list",
    "head",
    "lineage",
    "lineage_list",
    "table",
]

PICTURE = "snac.svg"

CONFUSION = "confusion.csv"
"""Takes the confusion matrix where the card has no room for it."""

WIDEST = 20
"""Classes up to which the confusion matrix stands in the card."""

FILES: Mapping[str, str] = {
    "model.py": "the network, which needs only torch (and safetensors for its weights)",
    "weights.safetensors": "its weights",
    "architecture.json": "the layers, as REMAP reads them",
}


def lineage(study: Study, number: int) -> list[Model]:
    """Give a model and its ancestors, the oldest first."""
    found = [study.model(number)]
    while (parent := found[-1].parent) is not None:
        found.append(study.model(parent))
    return found[::-1]


def card(
    study: Study,
    model: Model,
    *,
    tested: Tested | None,
    latency: Latency,
    weights_bytes: int,
    processor: str,
    files: Collection[str],
    onnx: str,
    torch_version: str,
) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    tested
        What it does with the test part, or None where that was not measured.
    processor
        What the latency was measured on, in words.
    files
        Names of all that is written beside the card.
    onnx
        What is to be said of the ONNX file, one sentence.
    """
    data, recipe = study.data, study.recipe
    architecture = model.architecture
    channels, height, width = data.input_shape
    parts = [
        *head(study, model, files),
        (
            f"An image classifier with {model.parameters:,} parameters, found and exported with "
            f"REMAP {VERSION}."
        ),
        "## What",
        table(
            ("", ""),
            [
                ("takes", f"images {channels} x {height} x {width} (channels, height, width)"),
                ("tells apart", ", ".join(map(escaped, data.class_names))),
                ("layers", f"`{architecture.text}`"),
                ("identity", f"`{model.identity}`"),
                ("parameters", f"{model.parameters:,}"),
                ("multiply-adds per image", f"{model.multiply_adds:,}"),
                ("operations per image", f"{model.flops:,}"),
                ("weights", f"{weights_bytes:,} bytes, float32"),
                (
                    "latency",
                    (
                        f"{latency.median:.3g} ms per image (quickest {latency.quickest:.3g} ms), "
                        f"median of {latency.runs} forward passes of one image on one thread of "
                        f"{escaped(processor)}, torch {torch_version}, channels_last"
                    ),
                ),
            ],
        ),
        "## Accuracy",
        accuracy_section(model, tested, data.sizes, data.class_names),
        "## From which data, and how it was trained",
        (
            f"Data set `{escaped(data.name)}` (fingerprint `{data.fingerprint}`): "
            f"{data.sizes[0]:,} training, {data.sizes[1]:,} validation and "
            f"{data.sizes[2]:,} test images. "
            f"{model.epochs} epochs of Adam, batches of {recipe.batch_size}, learning rate "
            f"{recipe.learning_rate:g} times {recipe.decay:g} after each epoch, seed {model.seed}"
            f"{f'; {escaped(model.stopped)}' if model.stopped else ''}. "
            f"{_images(recipe, data.dtype)}: `model.py` "
            f"{'and the ONNX file see' if 'model.onnx' in files else 'sees'} to that."
        ),
        "## How it was found",
        lineage_list(study, model),
        "## Files",
        files_list(FILES, files, onnx),
        "## What is not known",
        (
            "The accuracy is that of one training with one seed on one division of the data. "
            "Nothing was measured on images from elsewhere."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _images(recipe: Recipe, dtype: str) -> str:
    """Say what networks see of images."""
    as_given = {
        "uint8": "Images are uint8 and seen scaled to 0 to 1",
        "float32": "Images are float32 and seen as they are",
    }.get(dtype, "Images are seen by their type (uint8 scaled to 0 to 1, float32 as they are)")
    measured = "; ".join(f"{mean:.4g} and {by:.4g}" for mean, by in recipe.channels)
    standardized = (
        f", each channel then less its mean and divided by its deviation over the training images "
        f"({measured})"
        if measured
        else ""
    )
    changed = f"{recipe.words} " if recipe.words else ""
    return f"{changed}{as_given}{standardized}"


def head(study: Study, model: Model, files: Collection[str]) -> list[str]:
    """Write how a card begins: its title, and the picture where there is one."""
    title = f"# {escaped(study.name)} {model.name}"
    return [title, f"![{model.name}]({PICTURE})"] if PICTURE in files else [title]


def files_list(known: Mapping[str, str], files: Collection[str], last: str) -> str:
    """Write what lies beside a card as a list; ``last`` is a sentence that ends it."""
    known = {
        **known,
        PICTURE: "its picture",
        CONFUSION: "the confusion matrix of the test part, rows true",
    }
    lines = [f"- `{name}`: {words}." for name, words in known.items() if name in files]
    return "\n".join([*lines, f"- {last}"])


def confusions(tested: Tested | None, names: Sequence[str]) -> dict[str, bytes]:
    """Give the file of a confusion matrix for which a card has no room; none where it has."""
    if tested is None or len(names) <= WIDEST:
        return {}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["", *names])
    writer.writerows(
        [name, *row] for name, row in zip(names, tested.confusion.tolist(), strict=True)
    )
    return {CONFUSION: text.getvalue().encode()}


def accuracy_section(
    model: Model, tested: Tested | None, sizes: tuple[int, int, int], names: Sequence[str]
) -> str:
    """Write how good a model is on the test part, where it was measured, and on the others."""
    items = model.terms.items
    on_validation = (
        f"On the {sizes[1]:,} validation {items}, by which it was chosen: {model.accuracy:.4f}; "
        f"on the training {items}: {model.train_accuracy:.4f}."
    )
    if tested is None:
        return f"{on_validation} It was not measured on the test part."
    found = (
        f"**{tested.accuracy:.4f} on the {tested.items:,} test {items}**, which no model of the "
        "study has been trained or chosen by; measured when this was written."
    )
    of_classes = table(
        ("class", "labelled right", "items"),
        [
            (escaped(name), "" if right != right else f"{right:.4f}", f"{row.sum():,}")  # noqa: PLR0124 - NaN
            for name, right, row in zip(names, tested.of_classes, tested.confusion, strict=True)
        ],
    )
    parts = [found, on_validation, of_classes]
    if len(names) <= WIDEST:
        parts += [
            "Confusion matrix of the test part: rows are true classes, columns predicted ones.",
            table(
                ("", *map(escaped, names)),
                [
                    (escaped(name), *(f"{count:,}" for count in row))
                    for name, row in zip(names, tested.confusion.tolist(), strict=True)
                ],
            ),
        ]
    else:
        parts.append(f"Its confusion matrix is `{CONFUSION}`.")
    return "\n\n".join(parts)


def lineage_list(study: Study, model: Model) -> str:
    """Write a model and its ancestors as a list, the oldest first."""
    lines = []
    for one in lineage(study, model.number):
        says = f"{one.origin}" if one.parent is None else f"{one.origin} of m{one.parent}"
        words = f": {escaped(one.words)}" if one.words else ""
        accuracy = "not trained" if one.accuracy is None else f"accuracy {one.accuracy:.4f}"
        lines.append(
            f"1. **{one.name}** ({says}){words}. {one.parameters:,} {one.terms.size}, {accuracy}. "
            f"`{one.design.text}`"
        )
    return "\n".join(lines)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table as Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def escaped(text: str) -> str:
    """Keep a name from becoming Markdown or HTML."""
    escaped = "".join(f"\\{one}" if one in "\\`*_{}[]()#+!|~$" else one for one in text)
    return " ".join(escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
