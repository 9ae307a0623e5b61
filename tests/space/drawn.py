"""Hypothesis strategies for layers and architectures, written apart from the declarations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Architecture

LARGEST = 65_536

WHOLE = st.one_of(st.integers(1, 5), st.integers(1, LARGEST))
SMALL = st.integers(1, 5)


def _forms(number: st.SearchStrategy[int]) -> st.SearchStrategy[dict[str, Any]]:
    """Give JSON forms of legal layers of every kind, with and without what has a default."""
    pool = {"required": {"size": number}, "optional": {"stride": number}}
    conv = {
        "required": {"filters": number, "kernel_size": number},
        "optional": {"stride": number, "padding": st.one_of(st.just(0), number)},
    }
    kinds = {
        "conv": conv,
        "max_pool": pool,
        "avg_pool": pool,
        "dense": {"required": {"units": number}, "optional": {}},
        "dropout": {
            "required": {"rate": st.one_of(st.sampled_from([0, 0.0, 0.5]), st.floats(0, 0.999))},
            "optional": {},
        },
        "activation": {
            "required": {"function": st.sampled_from(["relu", "tanh", "sigmoid"])},
            "optional": {},
        },
    }
    return st.one_of(
        st.fixed_dictionaries(
            {"kind": st.just(kind), **form["required"]}, optional=form["optional"]
        )
        for kind, form in kinds.items()
    )


LAYER_FORMS = _forms(WHOLE)
"""Any legal layer, as JSON."""


@st.composite
def architecture_forms(draw: st.DrawFn, most_layers: int = 8) -> dict[str, Any]:
    """Give JSON forms of architectures that can be built: layers that do not fit are left out."""
    form: dict[str, Any] = {
        "input_shape": [
            draw(st.integers(1, 4)),
            draw(st.integers(1, 40)),
            draw(st.integers(1, 40)),
        ],
        "classes": draw(st.integers(2, 100)),
        "layers": [],
    }
    for layer in draw(st.lists(_forms(SMALL), max_size=most_layers)):
        longer = {**form, "layers": [*form["layers"], layer]}
        try:
            Architecture.from_dict(longer)
        except InvalidArchitecture:
            continue
        form = longer
    return form
