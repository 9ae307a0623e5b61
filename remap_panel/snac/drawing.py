"""`draw`, `table` and `legend`: drawings that show themselves and save themselves as files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from remap_panel.snac.figure import Value, table_svg
from remap_panel.snac.layout import SCALE, Scale, size_named
from remap_panel.snac.legend import LEGEND_WIDTH, legend_svg
from remap_panel.snac.strip import Look
from remap_panel.snac.svg import svg
from remap_ray.errors import InvalidRequest
from remap_ray.space import Architecture, Design, Shape

__all__ = ["DPI", "SUFFIXES", "Drawing", "architecture_of", "draw", "legend", "table"]

DPI = 384
"""Dots per inch of a PNG: four to a pixel of the drawing, which keeps the edges of blocks sharp."""

SUFFIXES = (".svg", ".pdf", ".png")
"""Ends of the names of files that a drawing saves itself as."""


@final
@dataclass(frozen=True)
class Drawing:
    """A finished drawing.

    Whatever draws models of another kind can give its SVG to one, and has all of this.

    Parameters
    ----------
    svg
        The whole drawing as SVG text.
    title
        What a PDF says it is.
    """

    svg: str = field(repr=False)
    title: str = ""

    def _repr_svg_(self) -> str:
        """Show the drawing where pictures are wanted, as in a converted notebook."""
        return self.svg

    def _repr_html_(self) -> str:
        """Show the drawing in a notebook, where its blocks tell what they are on hover."""
        return f'<div style="overflow-x: auto">{self.svg}</div>'

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """Show the drawing in whatever way the notebook knows."""
        return {
            "text/html": self._repr_html_(),
            "image/svg+xml": self._repr_svg_(),
            "text/plain": repr(self),
        }

    def __panel__(self) -> Any:
        """Show the drawing in Panel, as in ``pn.Column(draw(net))``."""
        import panel as pn  # noqa: PLC0415

        return pn.pane.HTML(self._repr_html_())

    def save(self, path: str | Path, *, dpi: int = DPI) -> Path:
        """Write the drawing to a file and give its path.

        Parameters
        ----------
        path
            Its end says what is written: ``.svg``, ``.pdf`` (vectors, no fonts, the same bytes
            every time) or ``.png``. A file that is there already is replaced in one step.
        dpi
            Dots per inch of a PNG.

        Raises
        ------
        InvalidRequest
            The name ends in nothing of these, the folder is not there, the file cannot be
            written, a PNG of no such resolution, or a PDF or PNG of letters without outlines.
            Nothing is left behind.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix not in SUFFIXES:
            raise InvalidRequest(
                f"a SNAC is saved as SVG, PDF or PNG, not as {path.name!r}; "
                f"choose a name that ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
            )
        if not path.parent.is_dir():
            raise InvalidRequest(f"{path} cannot be written: there is no folder {path.parent}")
        data = self._data(suffix, dpi)
        part = path.with_name(f".{path.name}.part")
        try:
            part.write_bytes(data)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error
        return path

    def _data(self, suffix: str, dpi: int) -> bytes:
        if suffix == ".svg":
            return self.svg.encode()
        # Who only looks at chips needs neither.
        if suffix == ".pdf":
            from remap_panel.snac.pdf import pdf  # noqa: PLC0415

            return pdf(self.svg, self.title)
        from remap_panel.snac.png import png  # noqa: PLC0415

        return png(self.svg, dpi)


def draw(
    model: Any,
    size: str = "large",
    title: str | None = None,
    scale: Scale = SCALE,
    *,
    sizes: bool = False,
    fold: bool = False,
    legend: bool = False,
    fixed_height: bool = False,
    input_shape: Shape | None = None,
) -> Drawing:
    """Draw a model for a notebook, a paper or a file.

    Parameters
    ----------
    model
        An architecture, a study's model, or a ``torch.nn.Sequential``.
    size
        ``large``, ``medium``, ``small`` or ``tiny``.
    title
        A name for it, written above the chip in the two larger sizes.
    scale
        Height by tensor size; chips shown together share one.
    sizes
        Whether what leaves each layer is written under its block.
    fold
        Whether layers that repeat are drawn once, with a count.
    legend
        Whether what colours, symbols and heights mean is told below.
    fixed_height
        All blocks equally high, whatever their tensors.
    input_shape
        ``(channels, height, width)`` of what enters an ``nn.Sequential``, which does not know.

    Raises
    ------
    InvalidRequest
        Nothing that can be drawn, or no such size.
    InvalidArchitecture
        An ``nn.Sequential`` with a module that no layer stands for.
    """
    architecture = architecture_of(model, input_shape)
    if not (sizes or fold or legend):
        text = svg(architecture, size, title, scale, fixed_height=fixed_height)
    else:
        look = Look(size_named(size), scale, fixed_height, sizes=sizes, fold=fold)
        text = table_svg([architecture], look, title=title or "", legend=legend)
    return Drawing(text, title or "")


def table(
    models: Sequence[Any],
    *,
    labels: Sequence[str] | None = None,
    columns: Mapping[str, Sequence[Value]] | None = None,
    size: str = "medium",
    title: str | None = None,
    scale: Scale | None = SCALE,
    align: str = "left",
    sizes: bool = False,
    fold: bool = False,
    legend: bool = False,
    fixed_height: bool = False,
    input_shape: Shape | None = None,
) -> Drawing:
    """Draw models below each other as one figure.

    Parameters
    ----------
    models
        As for `draw`.
    labels
        What stands before each chip; the names of a study's models by default.
    columns
        By name what stands after each chip: words, whole numbers, numbers (three decimals) or
        None.
    size
        ``large``, ``medium``, ``small`` or ``tiny``; blocks are equally wide in all chips.
    title
        What stands above.
    scale
        Height by tensor size, the same for all; None for that from the smallest to the largest
        tensor of these models.
    align
        ``left``, or ``structure``: layers that belong together stand below each other, as the
        transport plan of the structural distance to the first model says, and what differs from
        it is marked.
    sizes, fold, legend, fixed_height, input_shape
        As for `draw`.

    Raises
    ------
    InvalidRequest
        Nothing that can be drawn, labels or columns of another length, or no such size or
        alignment.
    InvalidArchitecture
        An ``nn.Sequential`` with a module that no layer stands for.
    """
    found = [architecture_of(one, input_shape) for one in models]
    if labels is None:
        named = [str(getattr(one, "name", "")) for one in models]
        labels = named if any(named) else ()
    look = Look(
        size_named(size),
        Scale.of(found) if scale is None and found else scale or SCALE,
        fixed_height,
        sizes=sizes,
        fold=fold,
    )
    text = table_svg(
        found,
        look,
        labels=labels,
        columns=columns,
        align=align,
        title=title or "",
        legend=legend,
    )
    return Drawing(text, title or "")


def legend(
    size: str = "medium",
    *,
    kinds: Iterable[str] | None = None,
    scale: Scale | None = SCALE,
    width: int = LEGEND_WIDTH,
) -> Drawing:
    """Draw what the colours, letters, glyphs and heights of chips mean.

    Parameters
    ----------
    size
        Of the chips that it explains.
    kinds
        Kinds of layers and functions of activations, such as ``conv`` and ``relu``; all by
        default.
    scale
        Of the heights; None where they mean nothing.
    width
        In px, beyond which a new line begins.

    Raises
    ------
    InvalidRequest
        No such size or kind.
    """
    return Drawing(legend_svg(size_named(size), kinds, scale, width), "Legend")


def architecture_of(model: Any, input_shape: Shape | None = None) -> Design:
    """Give what is drawn of a model.

    Parameters
    ----------
    model
        A design, something that has one as ``.design`` or ``.architecture``, or an
        ``nn.Sequential``.
    input_shape
        What enters an ``nn.Sequential``.

    Raises
    ------
    InvalidRequest
        None of these, or an ``nn.Sequential`` without ``input_shape``.
    InvalidArchitecture
        An ``nn.Sequential`` with a module that no layer stands for.
    """
    if isinstance(model, Design):
        return model
    inner = getattr(model, "design", None)
    if inner is None:
        inner = getattr(model, "architecture", None)
    if isinstance(inner, Design):
        return inner
    # Known by what it can do: nothing here imports PyTorch.
    if not callable(getattr(model, "named_modules", None)):
        raise InvalidRequest(
            "a SNAC draws an Architecture, a study's model or a torch.nn.Sequential, "
            f"not {type(model).__name__}"
        )
    if input_shape is None:
        raise InvalidRequest(
            f"a torch {type(model).__name__} does not know what enters it: give "
            "input_shape=(channels, height, width), such as input_shape=(1, 28, 28)"
        )
    return Architecture.from_torch(model, input_shape)
