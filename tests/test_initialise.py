"""`baler init`: the configuration it proposes gives every variable the bound that was proposed for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.config.bound_rules import parse_bounds
from baler_core.config.yaml_nodes import KeyPath, parse_yaml
from baler_core.data.bounds import LOSSLESS, BoundRules, ErrorBound
from baler_core.data.roles import roles_of
from baler_core.data.variables import Schema, Variable
from baler_core.pipeline.input import bounds_of
from baler_core.plugin.registry import Registry
from baler_core.suggest.proposals import proposals_for
from baler_core.suggest.template import LISTED_ONE_BY_ONE, StatedInput, configuration_for

DTYPES = ["<f4", ">f8", "<i4", "|u1", "|b1", "|S3", "str", "<c16"]


def rules_of(text: str) -> BoundRules:
    """The bounds that a configuration's text sets; fails on any problem."""

    def complain(path: KeyPath, message: str) -> None:
        raise AssertionError(f"{path}: {message}")

    document = parse_yaml(text, "c.yaml")
    assert document.problems == []
    return parse_bounds(document.value["bounds"], complain)


def configuration(schema: Schema) -> str:
    return configuration_for(schema, Registry(), {}, StatedInput("d.x", "x"))


def bounds_under(text: str, schema: Schema) -> dict[str, ErrorBound]:
    """The bound that each variable gets from a configuration's text."""
    bounds = bounds_of(schema, rules_of(text), roles_of(schema, {}))
    return dict(zip(schema.names, bounds, strict=True))


def schema_of(*variables: Variable) -> Schema:
    return Schema(variables, {dim: 100 for v in variables for dim in v.dims})


@pytest.mark.parametrize(
    ("variable", "bound"),
    [
        (Variable("pt", "<f4", ("event",)), ErrorBound("rel", 1e-3)),
        (Variable("Jet_phi", "<f4", ("event",)), ErrorBound("abs", 1e-4)),
        (Variable("Jet_eta_", "<f4", ("event",)), ErrorBound("abs", 1e-4)),
        (Variable("beta", "<f4", ("event",)), ErrorBound("rel", 1e-3)),
        (Variable("angle", "<f4", ("event",), units="rad"), ErrorBound("abs", 1e-4)),
        (Variable("flow/u", "<f8", ("t", "y", "x")), ErrorBound("range", 1e-3)),
        (Variable("t2m", "<i2", ("t", "y"), scale=0.01, offset=270.0), ErrorBound("range", 1e-3)),
        (Variable("counts", "<u2", ("y", "x"), offset=32768.0), LOSSLESS),
        (Variable("grid/lat", "<f8", ("grid/lat",)), LOSSLESS),
        (Variable("id", "<i8", ("event",)), LOSSLESS),
        (Variable("event_time", "<f8", ("event",)), LOSSLESS),
        (Variable("cells/lonCell", "<f8", ("cell",)), LOSSLESS),
        (Variable("genWeight", "<f4", ("event",)), LOSSLESS),
        (Variable("pt [GeV]", "<f4", ("event",)), ErrorBound("rel", 1e-3)),
        (Variable("phi [rad]", "<f4", ("event",), units="rad"), ErrorBound("abs", 1e-4)),
        (Variable("e_total", "<f4", ("event",)), ErrorBound("rel", 1e-3)),
        (Variable("pt_error", "<f4", ("event",)), ErrorBound("rel", 0.05)),
        (Variable("gmag", "<f4", ("star",)), ErrorBound("abs", 1e-3)),
        (Variable("ok", "|b1", ("event",)), LOSSLESS),
        (Variable("name", "str", ("event",)), LOSSLESS),
    ],
)
def test_what_is_proposed_is_what_the_configuration_says(variable: Variable, bound: ErrorBound) -> None:
    schema = schema_of(variable)
    assert bounds_under(configuration(schema), schema) == {variable.name: bound}


def test_all_variables_are_listed_with_dtype_shape_and_units() -> None:
    schema = Schema(
        (Variable("pt", "<f4", ("jet",), units="GeV"), Variable("u", "<f8", ("t", "x"))), {"jet": 700, "t": 20, "x": 30}
    )
    text = configuration(schema)
    assert "pt: {rel: 1.0e-3}   # float32 (jet: 700) GeV: three digits\n" in text
    assert "u: {range: 1.0e-3}  # float64 (t: 20, x: 30): a field\n" in text
    assert text.index('"*": lossless') > text.index("u: ")


def test_a_collection_takes_one_line_and_exceptions_stand_before_it() -> None:
    names = [f"Jet_v{i}" for i in range(LISTED_ONE_BY_ONE)]
    variables = [Variable(name, "<f4", ("jet",)) for name in names]
    variables += [Variable("Jet_phi", "<f4", ("jet",)), Variable("Jet_weight", "<f4", ("jet",))]
    variables += [Variable("Jet_id", "<i4", ("jet",)), Variable("nJet", "<u4", ("event",))]
    variables += [Variable(f"HLT_{i}", "|b1", ("event",)) for i in range(50)]
    schema = schema_of(*variables)
    text = configuration(schema)
    assert list(parse_yaml(text, "c").value["bounds"]) == ["Jet_phi", "Jet_weight", "Jet_*", "*"]
    assert "  Jet_phi: {abs: 1.0e-4}  # an angle\n" in text
    assert "v0, v1, v2, v3, v4, v5, v6, v7, and 32 more" in text
    bounds = bounds_under(text, schema)
    assert {bounds[name] for name in names} == {ErrorBound("rel", 1e-3)}
    assert bounds["Jet_weight"] == bounds["Jet_id"] == bounds["nJet"] == bounds["HLT_3"] == LOSSLESS


@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=6), st.sampled_from(DTYPES), st.integers(0, 2)),
        unique_by=lambda entry: entry[0],
        max_size=8,
    ),
    st.booleans(),
)
def test_any_names_are_bounded_as_proposed(entries: list[tuple[str, str, int]], many: bool) -> None:
    """Names come from files of others: no name may leave its quotes or match another's bound."""
    variables = [Variable(name, dtype, ("a", "b")[:rank]) for name, dtype, rank in entries]
    if many:
        variables += [Variable(f"x_{i}", "<f4", ("a",)) for i in range(LISTED_ONE_BY_ONE + 1)]
        variables = list({v.name: v for v in variables}.values())
    schema = Schema(tuple(variables), {"a": 30, "b": 40})
    text = configuration(schema)
    document = parse_yaml(text, "c.yaml")
    assert document.problems == []
    assert set(document.value) == {"input", "bounds", "model", "output"} - ({"bounds"} if not variables else set())
    if variables:
        proposals = proposals_for(schema, {})
        for name, bound in bounds_under(text, schema).items():
            assert bound == ErrorBound.parse(parse_yaml(proposals[name].bound, "b").value)
