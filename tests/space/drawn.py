"""Hypothesis strategies for layers and architectures, written apart from the declarations."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Architecture, layers
from remap_ray.space.edit import Edit, Prepend, Remove, Reparameterize, Replace
from remap_ray.space.layers import Layer

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
        "depthwise_conv": conv,
        "global_avg_pool": {"required": {}, "optional": {}},
        "batch_norm": {"required": {}, "optional": {}},
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


LAYERS = st.builds(layers.from_dict, _forms(SMALL))
"""Any legal layer with small numbers, as a value."""

ARCHITECTURES = architecture_forms().map(Architecture.from_dict)
"""Any architecture that can be built."""


@st.composite
def edits_of(draw: st.DrawFn, architecture: Architecture, most: int = 4) -> list[Edit]:
    """Give edits that speak of layers that there are, though they may contradict each other."""
    last = len(architecture.layers)
    prepends = st.builds(Prepend, st.integers(0, last), LAYERS)
    if not last:
        return draw(st.lists(prepends, max_size=most))
    index = st.integers(0, last - 1)
    kinds = [
        prepends,
        st.builds(Remove, index),
        st.builds(Replace, index, LAYERS),
        index.flatmap(lambda at: _reparameterizations(at, architecture.layers[at])),
    ]
    return draw(st.lists(st.one_of(kinds), max_size=most))


def _reparameterizations(index: int, layer: Layer) -> st.SearchStrategy[Edit]:
    if not layer.parameters():
        return st.just(Remove(index))
    values = {
        "function": st.sampled_from(["relu", "tanh", "sigmoid"]),
        "rate": st.floats(0, 0.999),
        "padding": st.integers(0, 3),
    }
    return st.sampled_from(sorted(layer.parameters())).flatmap(
        lambda name: st.builds(
            Reparameterize, st.just(index), st.just(name), values.get(name, SMALL)
        )
    )
