"""The HTML document around the views: title, icon, style, and light or dark mode."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any, cast

import panel as pn
import param
from bokeh.document import Document as BokehDocument
from bokeh.themes import Theme
from panel.theme import Design
from panel_material_ui.template.base import ThemeToggle

from remap_panel import theme

__all__ = ["Document", "begin_in_mode", "document", "early", "material_theme", "mode_switch"]

# What can be seen without scripts comes before them: the page has its shape at once. Nothing is
# drawn by WebGL here, so that part of Bokeh's scripts stays out.
DOCUMENT = """{%% from macros import embed %%}<!DOCTYPE html>
<html lang="en" data-theme-managed="true">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title | e }}</title>
<link rel="icon" href="{{ icon }}">
<style>{{ style }}</style>
<script>{{ mode_script }}</script>
<script>{{ browser_script }}</script>
</head>
<body>
%s
<noscript><p>REMAP draws its page with JavaScript: please allow it for this address.</p></noscript>
{{ bokeh_css if bokeh_css }}
{%%- for line in (bokeh_js or "").split("\\n") if "/bokeh-gl." not in line %%}
{{ line }}
{%%- endfor %%}
{{ plot_script }}
</body>
</html>
"""

# Runs before anything is painted: the person's choice, else what their system prefers. The
# Material components follow the attribute, colours in style sheets depend on it, and the cookie
# tells the server how to begin the next time.
MODE_SCRIPT = """
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)")
  const show = () => {
    const chosen = localStorage.getItem("remap-mode")
    const mode = chosen ?? (system.matches ? "dark" : "light")
    document.documentElement.dataset.theme = mode
    document.cookie = `remap-mode=${mode}; path=/; max-age=31536000; samesite=lax`
  }
  system.addEventListener("change", show)
  addEventListener("storage", show)
  addEventListener("remap-mode", show)
  show()
})()
"""

# By this number the study knows which needs to go on with.
BROWSER_SCRIPT = """
document.cookie = "remap-browser=BROWSER; path=/; max-age=31536000; samesite=lax"
"""

MODE_CHOSEN = """
const mode = cb_obj.value ? "dark" : "light"
if (document.documentElement.dataset.theme !== mode) {
  localStorage.setItem("remap-mode", mode)
  dispatchEvent(new Event("remap-mode"))
}
"""


class Document(pn.Template):
    """A template whose views join the browser session's document at once.

    For each view by itself, Bokeh would walk through all models of all views.

    Parameters
    ----------
    title
        Of the browser's tab, whatever the server calls its applications.
    """

    title = param.String(default="REMAP")

    def server_doc(
        self,
        doc: BokehDocument | None = None,
        title: str | None = None,  # noqa: ARG002
        location: Any = True,
    ) -> BokehDocument:
        """Add the views to a session's document."""
        session = doc or cast("BokehDocument", pn.state.curdoc)
        with session.models.freeze():
            super().server_doc(session, title=self.title, location=location)
            session.theme = _plot_theme(_mode())
        return session


def document(body: str, title: str, **variables: str) -> Document:
    """Make a document whose body is a Jinja template with one `embed` for each of its views.

    Parameters
    ----------
    body
        The template; the views that it embeds are added by `pn.Template.add_panel`.
    title
        Of the browser's tab; escaped here.
    variables
        Further HTML for the body; ``browser`` is what this browser is known by from now on.
    """
    made = Document(DOCUMENT % body, design=Design, title=title)
    browser = variables.pop("browser", "")
    known = BROWSER_SCRIPT.replace("BROWSER", browser) if browser else ""
    values = {
        "browser_script": known,
        "icon": _icon(),
        "style": _style(),
        "mode_script": MODE_SCRIPT,
    }
    for name, value in (values | variables).items():
        made.add_variable(name, value)
    return made


def early(html: str, style: str) -> str:
    """Write HTML with a style of its own, to be seen until its live twin is drawn."""
    return (
        f'<div class="early" inert><template shadowrootmode="open"><style>{style}</style>{html}'
        "</template></div>"
    )


def begin_in_mode() -> None:
    """Have what the server draws begin in the mode that the browser showed the last time."""
    # Panel lets it be set, per session, and declares it read-only.
    pn.config.theme = "dark" if _mode() is theme.DARK else "default"  # type: ignore[misc]


def material_theme() -> dict[str, Any]:
    """Give the colours and fonts of both modes as Material components take them."""
    return {name: _palette(mode) for name, mode in theme.MODES.items()}


def mode_switch() -> ThemeToggle:
    """Make the switch between light and dark mode, which every browser remembers."""
    switch = ThemeToggle(
        theme_config=material_theme(), sx={"color": "var(--remap-header-text)"}, margin=0
    )
    switch.jscallback(value=MODE_CHOSEN)
    return switch


def _mode() -> theme.Mode:
    return theme.MODES.get(pn.state.cookies.get("remap-mode", ""), theme.LIGHT)


def _plot_theme(mode: theme.Mode) -> Theme:
    """Give plots the look that the Material theme gives them in the browser a moment later."""
    axis: dict[str, Any] = {
        "axis_line_alpha": 0,
        "major_tick_line_alpha": 0,
        "minor_tick_line_alpha": 0,
        "major_label_text_color": mode.muted,
        "major_label_text_font": theme.SANS,
        "major_label_text_font_size": "0.925em",
        "axis_label_text_color": mode.text,
        "axis_label_text_font": theme.SANS,
        "axis_label_text_font_size": "1em",
        "axis_label_text_font_style": "normal",
        "axis_label_standoff": 12,
    }
    plot = {"background_fill_color": mode.surface, "border_fill_color": mode.surface}
    grid = {"grid_line_color": mode.border}
    return Theme(json={"attrs": {"Axis": axis, "Grid": grid, "Plot": plot}})


def _palette(mode: theme.Mode) -> dict[str, Any]:
    return {
        "palette": {
            "primary": {"main": mode.accent, "contrastText": mode.on_accent},
            "background": {"default": mode.page, "paper": mode.surface},
            "text": {"primary": mode.text, "secondary": mode.muted},
            "divider": mode.border,
        },
        "typography": {"fontFamily": theme.SANS},
    }


@cache
def _style() -> str:
    arrangement = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    light, dark = theme.css_variables(theme.LIGHT), theme.css_variables(theme.DARK)
    return (
        f":root {{ color-scheme: light; {light} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n{arrangement}"
    )


@cache
def _icon() -> str:
    """Draw three blocks of a chip as the address of an SVG."""
    blocks = "".join(
        f'<rect x="{2 + 10 * place}" y="{4 + 4 * place}" width="8" height="{24 - 8 * place}" '
        f'rx="2" fill="{theme.BLOCKS[kind].fill}"/>'
        for place, kind in enumerate(("conv", "max_pool", "dense"))
    )
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{blocks}</svg>'
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode('ascii')}"
