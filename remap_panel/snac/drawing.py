"""`draw`: a chip that shows itself in notebooks and saves itself as a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

from remap_panel.snac.layout import SCALE, Scale
from remap_panel.snac.svg import svg
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design

__all__ = ["Drawing", "draw"]


@final
@dataclass(frozen=True)
class Drawing:
    """A finished chip.

    Parameters
    ----------
    svg
        The whole drawing as SVG text.
    """

    svg: str

    def _repr_svg_(self) -> str:
        """Show the chip where pictures are wanted, as in a converted notebook."""
        return self.svg

    def _repr_html_(self) -> str:
        """Show the chip in a notebook, where its blocks tell what they are on hover."""
        return f'<div style="overflow-x: auto">{self.svg}</div>'

    def save(self, path: str | Path) -> Path:
        """Write the drawing to a file and give its path.

        Raises
        ------
        InvalidRequest
            The name does not end in ``.svg``, or the file cannot be written.
        """
        path = Path(path)
        if path.suffix.lower() != ".svg":
            raise InvalidRequest(
                f"a SNAC is saved as SVG only, not as {path.name!r}; "
                "choose a name that ends in .svg"
            )
        try:
            path.write_text(self.svg, encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error
        return path


def draw(
    architecture: Design,
    size: str = "large",
    title: str | None = None,
    scale: Scale = SCALE,
    *,
    fixed_height: bool = False,
) -> Drawing:
    """Draw an architecture for a notebook, a paper or a file.

    Parameters
    ----------
    architecture
        What is drawn.
    size
        ``large``, ``medium``, ``small`` or ``tiny``.
    title
        A name for it, written above the chip in the two larger sizes.
    scale
        Height by tensor size; chips shown together share one.
    fixed_height
        All blocks equally high, whatever their tensors.

    Raises
    ------
    InvalidRequest
        No architecture, or no such size.
    """
    return Drawing(svg(architecture, size, title, scale, fixed_height=fixed_height))
