"""Write what LLVM puts in place of small functions that loops call: prefetching, and vectors of numbers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from baler_core.entropy.lanes import LANES, SUMS

_BYTE, _HALF, _WORD = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_HALVES, _WORDS = ir.VectorType(_HALF, LANES), ir.VectorType(_WORD, LANES)
_DOUBLE = ir.DoubleType()
_DOUBLES = ir.VectorType(_DOUBLE, LANES)


def prefetch_code() -> Any:
    """Return what stands for `baler_core.machine.compiled.prefetch`: an instruction that never fails."""

    @intrinsic
    def prefetch(typing_context: Any, array: Any, place: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            address = builder.bitcast(_item(context, builder, signature.args[0], *arguments), _BYTE.as_pointer())
            kinds = ir.FunctionType(ir.VoidType(), [address.type, _HALF, _HALF, _HALF])
            fetch = builder.module.declare_intrinsic("llvm.prefetch", (address.type,), kinds)
            builder.call(fetch, [address, _HALF(0), _HALF(3), _HALF(1)])  # to be read, kept in all caches, data
            return context.get_dummy_value()

        return types.void(array, types.int64), code

    return prefetch


def weighted_sum_code() -> Any:
    """Return what stands for `baler_core.entropy.lanes.weighted_sum`."""

    @intrinsic
    def weighted_sum(typing_context: Any, weights: Any, start: Any, inputs: Any, blocks: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            weights, start, inputs, blocks = arguments
            total = cgutils.alloca_once_value(builder, ir.Constant(_WORDS, [0] * LANES))
            with cgutils.for_range(builder, blocks) as loop:
                first = builder.mul(loop.index, _WORD(LANES))
                one = _vector(context, builder, signature.args[0], weights, builder.add(start, first))
                two = _vector(context, builder, signature.args[2], inputs, first)
                wide = [builder.sext(builder.load(place, align=4), _WORDS) for place in (one, two)]
                builder.store(builder.add(builder.load(total), builder.mul(*wide)), total)
            return _sum(builder, builder.load(total))

        return types.int64(weights, types.int64, inputs, types.int64), code

    return weighted_sum


def move_weights_code() -> Any:
    """Return what stands for `baler_core.entropy.lanes.move_weights`.

    With change = 1024 high + low, (input * change + 2^19) >> 20 is (input * high + ((input * low + 2^19) >> 10)) >> 10.
    """

    @intrinsic
    def move_weights(typing_context: Any, weights: Any, start: Any, inputs: Any, blocks: Any, change: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            weights, start, inputs, blocks, change = arguments
            high = _filled(builder, builder.trunc(builder.ashr(change, _WORD(10)), _HALF))
            low = _filled(builder, builder.trunc(builder.and_(change, _WORD(1023)), _HALF))
            ten, half = _constant(10), _constant(1 << 19)
            with cgutils.for_range(builder, blocks) as loop:
                first = builder.mul(loop.index, _WORD(LANES))
                place = _vector(context, builder, signature.args[0], weights, builder.add(start, first))
                found = builder.load(_vector(context, builder, signature.args[2], inputs, first), align=4)
                fine = builder.ashr(builder.add(builder.mul(found, low), half), ten)
                moved = builder.ashr(builder.add(builder.mul(found, high), fine), ten)
                builder.store(builder.add(builder.load(place, align=4), moved), place, align=4)
            return context.get_dummy_value()

        return types.void(weights, types.int64, inputs, types.int64, types.int64), code

    return move_weights


def add_halved_code() -> Any:
    """Return what stands for `baler_core.entropy.lanes.add_halved`."""

    @intrinsic
    def add_halved(typing_context: Any, weights: Any, start: Any, inputs: Any, blocks: Any, change: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            weights, start, inputs, blocks, change = arguments
            factors = _filled(builder, change)
            with cgutils.for_range(builder, blocks) as loop:
                first = builder.mul(loop.index, _WORD(LANES))
                place = _vector(context, builder, signature.args[0], weights, builder.add(start, first))
                found = builder.load(_vector(context, builder, signature.args[2], inputs, first), align=4)
                moved = builder.ashr(builder.add(builder.mul(found, factors), _constant(32768)), _constant(16))
                builder.store(builder.add(builder.load(place, align=4), moved), place, align=4)
            return context.get_dummy_value()

        return types.void(weights, types.int64, inputs, types.int64, types.int32), code

    return add_halved


def high_product_code() -> Any:
    """Return what stands for `baler_core.entropy.lanes.high_product`."""

    @intrinsic
    def high_product(typing_context: Any, one: Any, other: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            product = builder.mul(*(builder.zext(number, ir.IntType(128)) for number in arguments))
            return builder.trunc(builder.lshr(product, ir.IntType(128)(64)), _WORD)

        return types.uint64(types.uint64, types.uint64), code

    return high_product


def sum_products_code() -> Any:
    """Return what stands for `baler_core.entropy.lanes.sum_products`: each product and each sum is rounded by itself."""

    @intrinsic
    def sum_products(
        typing_context: Any, sums: Any, place: Any, apart: Any, weights: Any, start: Any, values: Any, terms: Any
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            sums, place, apart, weights, start, values, terms = arguments
            totals = [cgutils.alloca_once_value(builder, ir.Constant(_DOUBLES, [0.0] * LANES)) for _ in range(SUMS)]
            with cgutils.for_range(builder, terms) as loop:
                first = builder.mul(loop.index, _WORD(LANES))
                row = builder.load(_doubles(context, builder, signature.args[5], values, first), align=8)
                for number, total in enumerate(totals):
                    here = builder.add(start, builder.add(builder.mul(terms, _WORD(number)), loop.index))
                    weight = builder.load(_item(context, builder, signature.args[3], weights, here))
                    product = builder.fmul(_filled(builder, weight, _DOUBLES), row)
                    builder.store(builder.fadd(builder.load(total), product), total)
            for number, total in enumerate(totals):
                there = builder.add(place, builder.mul(apart, _WORD(number)))
                address = _doubles(context, builder, signature.args[0], sums, there)
                builder.store(builder.load(total), address, align=8)
            return context.get_dummy_value()

        number = types.int64
        return types.void(sums, number, number, weights, number, values, number), code

    return sum_products


def _item(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    """Return the address of an item of an array."""
    return builder.gep(make_array(kind)(context, builder, array).data, [place])


def _vector(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    """Return the address of a vector that begins at an item of an array."""
    return builder.bitcast(_item(context, builder, kind, array, place), _HALVES.as_pointer())


def _doubles(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    """Return the address of a vector of float64 that begins at an item of an array."""
    return builder.bitcast(_item(context, builder, kind, array, place), _DOUBLES.as_pointer())


def _constant(number: int) -> Any:
    return ir.Constant(_HALVES, [number] * LANES)


def _filled(builder: Any, number: Any, kind: Any = _HALVES) -> Any:
    """Return a vector of one number throughout."""
    one = builder.insert_element(ir.Constant(kind, ir.Undefined), number, _HALF(0))
    return builder.shuffle_vector(one, ir.Constant(kind, ir.Undefined), _constant(0))


def _sum(builder: Any, vector: Any) -> Any:
    """Return the sum of the numbers of a vector: halves are added until one is left."""
    width = LANES
    while width > 1:
        width //= 2
        parts = [ir.Constant(ir.VectorType(_HALF, width), list(range(k, k + width))) for k in (0, width)]
        vector = builder.add(*(builder.shuffle_vector(vector, vector, part) for part in parts))
    return builder.extract_element(vector, _HALF(0))
