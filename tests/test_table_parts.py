"""The steps of the table model, each by itself: bins, trees, relations, symbols."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.builtin.models.table.contexts.decisions import list_decisions
from baler_core.builtin.models.table.contexts.marginals import Marginal, fit_marginal
from baler_core.builtin.models.table.contexts.predictor import Scatter, features, linear_edges, predicted
from baler_core.builtin.models.table.contexts.symbols import SymbolMap, choose_maps
from baler_core.builtin.models.table.contexts.trees import grow_tree
from baler_core.builtin.models.table.relations.linear import follows_from_none, sparse_relation
from baler_core.builtin.models.table.relations.order import Candidate, choose_parents, entropy, shared_information
from baler_core.builtin.models.table.relations.relation import LINEAR
from baler_core.builtin.models.table.relations.search import SampledColumn, find_relations
from baler_core.data.bounds import Tolerance
from baler_core.quantise.lattice_fit import fit_lattice

random = np.random.default_rng(11)


def test_bins_are_of_equal_weight_and_heavy_values_alone() -> None:
    values = np.where(random.random(20_000) < 0.3, 0, random.normal(500, 100, 20_000)).astype(np.int64)
    marginal = fit_marginal(values, int(values.min()) - 1, int(values.max()), 32)
    assert (marginal.edges[0], marginal.edges[-1]) == (values.min() - 1, values.max() + 1)
    zero = int(marginal.bin_of(np.zeros(1, np.int64))[0])
    assert marginal.edges[zero + 1] - marginal.edges[zero] == 1
    counts = np.bincount(marginal.bin_of(values), minlength=marginal.bins)
    assert counts[zero] / len(values) == pytest.approx(0.3, abs=0.02)
    assert np.delete(counts, zero).max() < len(values) / 16
    assert np.abs(marginal.masses / marginal.masses.sum() - counts / len(values)).max() < 0.03


@given(st.lists(st.integers(0, 60), min_size=1, max_size=40))
def test_trees_lead_to_every_bin(levels: list[int]) -> None:
    tree = grow_tree(Marginal(np.arange(len(levels) + 1), np.array(levels, np.uint8)))
    assert len(tree.splits) == len(levels) - 1
    for wanted in range(len(levels)):
        node = 0 if len(tree.splits) else -1
        while node >= 0:
            node = int(tree.children[node, int(wanted >= tree.splits[node])])
        assert -1 - node == wanted


def test_decisions_halve_bins_and_rise_with_their_scores() -> None:
    marginal = Marginal(np.array([-3, 0, 1, 9, 30]), np.array([8, 2, 12, 4], np.uint8))
    tree, inner = grow_tree(marginal), 2
    shares = np.concatenate([[0], np.cumsum(marginal.masses)]) << 8
    decisions = list_decisions(tree, inner, shares)
    nodes = len(tree.splits)
    assert decisions.middles[:nodes].tolist() == marginal.edges[tree.splits].tolist()
    inside = decisions.middles[nodes:].reshape(4, 1 << inner)
    assert inside[2].tolist()[1:] == [5, 3, 7]
    assert inside[3].tolist()[1:] == [19, 14, 24]
    used = np.concatenate([np.arange(nodes), nodes + 9 + np.arange(3), nodes + 13 + np.arange(3)])
    in_order = used[np.argsort(decisions.middles[used])]
    assert (np.diff(decisions.scores[in_order]) > 0).all()
    assert (decisions.priors[nodes:] == 0).all()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60), st.booleans(), st.booleans())
def test_symbols_lead_back_to_codes(codes: list[int], whole: bool, differences: bool) -> None:
    given_codes = np.array(codes, np.int64)
    chosen = choose_maps(given_codes, whole=whole)[differences]
    symbols = chosen.forward(given_codes)
    assert symbols.values.min() >= chosen.low - 1
    assert symbols.values.max() <= chosen.high
    np.testing.assert_array_equal(chosen.backward(symbols), given_codes)


def test_counters_become_differences_and_sparse_values_a_dictionary() -> None:
    assert choose_maps(np.arange(1000) * 7 + 5, whole=True)[True].kind == "differences"
    words = random.integers(0, 2**40, 500)
    assert choose_maps(words[random.integers(0, 500, 5000)], whole=True)[True].kind == "dictionary"
    assert choose_maps(random.integers(0, 50, 5000), whole=True)[True].kind == "codes"
    unknown = SymbolMap("dictionary", 0, 2, np.array([3, 7, 9]))
    assert unknown.forward(np.array([9, 8, 3])).escapes.tolist() == [8]


def test_sparse_relations_are_found_with_their_coefficients() -> None:
    columns = random.lognormal(0, 1, (1000, 12))
    target = columns[:, 2] + 0.5 * columns[:, 5] - 2 * columns[:, 9]
    terms = sparse_relation(target, columns, 1e-6 * np.abs(target).mean() * np.ones(1000))
    assert terms is not None
    assert dict(terms) == {2: 1.0, 5: 0.5, 9: -2.0}
    assert sparse_relation(random.normal(size=1000), columns, np.full(1000, 1e-6)) is None


def test_relations_never_follow_from_each_other_in_a_circle() -> None:
    a, b = random.lognormal(size=2000), random.lognormal(size=2000)
    values = {"a": a, "b": b, "sum": a + b, "copy": a.copy(), "minus": -(a + b), "difference": a - b}
    tolerance = Tolerance("rel", 1e-3)
    found = find_relations([SampledColumn(n, v, fit_lattice(v, tolerance), tolerance) for n, v in values.items()])
    names = list(values)
    assert {"sum", "copy", "minus"} & {names[j] for j in found} or len(found) >= 3
    done = set(range(len(names))) - set(found)
    for target, relation in found.items():
        assert relation.name == LINEAR
        assert set(relation.parents) <= done
        done.add(target)


def told(first: int, bins: np.ndarray) -> Candidate:
    return Candidate(first, lambda rows: bins[rows])


def test_parents_are_the_columns_that_tell_most() -> None:
    cause = random.integers(0, 30, 5000)
    effect, noise = cause // 2 + random.integers(0, 2, 5000), random.integers(0, 30, 5000)
    columns = [noise, cause, effect]
    candidates = [told(place + 1, bins) for place, bins in enumerate(columns)]
    parents = choose_parents(dict(enumerate(columns)), candidates, 2, shared_information(3, candidates, 5000))
    assert parents[2][0] == 1
    assert 1 not in parents[0]
    steady = np.repeat(random.integers(0, 30, 50), 100)
    before = [told(0, np.roll(noise, 1)), told(1, np.roll(steady, 1))]
    candidates = [told(1, noise), told(2, steady), *before]
    shared = shared_information(2, candidates, 5000)
    assert choose_parents({0: noise, 1: steady}, candidates, 2, shared)[1][0] == 3


def test_entropy_is_not_flattered_by_few_rows() -> None:
    assert entropy(random.integers(0, 256, 2000)) == pytest.approx(8, abs=0.05)


def test_a_predictor_joins_what_several_columns_say() -> None:
    tolerance = Tolerance("rel", 1e-3)
    values = [random.lognormal(2, 0.5, 8000) for _ in range(3)]
    values.append(values[0] + values[1] + values[2] + random.normal(0, 0.1, 8000))
    known, targets = {}, {}
    for number, column in enumerate(values):
        lattice = fit_lattice(column, tolerance)
        symbols = lattice.codes(column)
        marginal = fit_marginal(symbols, int(symbols.min()) - 1, int(symbols.max()), 64)
        chosen = SymbolMap("codes", int(symbols.min()), int(symbols.max()))
        edges = linear_edges(marginal, lattice, chosen)
        assert (np.diff(edges) >= 0).all()
        known[number] = features(symbols, marginal.bin_of(symbols), marginal, lattice, chosen)
        targets[number] = known[number][0]
    predictor = Scatter.of(known).predictor(3, [0, 1, 2])
    assert predictor is not None
    classes = predicted(predictor, known)
    assert classes.bins.max() < 64
    assert np.corrcoef(classes.values, targets[3])[0, 1] > 0.9


def test_columns_that_no_sum_gives_are_known_at_once_and_no_others() -> None:
    rows = np.random.default_rng(5)
    free = rows.normal(50, [1, 10, 100, 1e4, 1, 5], (400, 6))
    total = free[:, 0] + free[:, 1] - 0.25 * free[:, 2]
    small = free[:, 3] - 1e-3 * free[:, 4]  # less than the noise of what it follows from
    holes = np.where(rows.random(400) < 0.1, np.nan, free[:, 5])
    numbers = np.column_stack([free, total * (1 + rows.uniform(-1e-3, 1e-3, 400)), small, free[:, 4], holes])
    noise = 1e-3 * np.abs(numbers)
    hopeless = follows_from_none(numbers, np.isfinite(numbers).all(axis=0), noise)
    assert hopeless.tolist() == [False, False, False, False, False, True, False, False, False, False]
    assert not follows_from_none(numbers[:, :1], np.ones(1, bool), noise[:, :1]).any()
