# SPDX-License-Identifier: Apache-2.0
"""Values at which arithmetic, conversions and addresses change their behaviour."""

import struct


def f32_bits(value):
    return struct.unpack("<I", struct.pack("<f", value))[0]


def f64_bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


I32 = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001,
       0xffffff7f, 0xffffff80, 0xffff7fff, 0xffff8000, 0xfffffffe, 0xffffffff, 0x55555555, 0xaaaaaaaa, 0x01010101, 0x00ff00ff, 0x12345678, 0xdeadbeef]
I64 = [*I32, 0xffffffff00000000, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0x8000000000000001, 0xffffffffffffffff, 0xfffffffffffffffe,
       0x7fffffff80000000, 0xffffffff80000000, 0xffffffff7fffffff, 0xffffffffffffff80, 0x5555555555555555, 0x0123456789abcdef, 0x8080808080808080,
       1 << 53, (1 << 53) + 1, (1 << 63) - 512, (1 << 24) + 1]

_WHOLE = [0.0, 1.0, 0.5, 1.5, 2.5, 0.1, 3.0, 127.0, 128.0, 255.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0, 2147483649.0, 4294967295.0,
          4294967296.0, 9007199254740993.0, 9223372036854775807.0, 9223372036854775808.0, 18446744073709551615.0, 18446744073709549568.0,
          0.9999999999, 0.99999994, 1e10, 1e-10, 1e30, 16777217.0, 8388609.0, 4503599627370497.5, 8388608.5]
F32 = sorted({sign | bits for sign in (0, 0x80000000) for bits in [
    *(f32_bits(value) for value in _WHOLE), 0x00000001, 0x007fffff, 0x00800000, 0x7f7fffff, 0x7f800000, 0x4effffff, 0x4f7fffff, 0x5effffff, 0x5f7fffff,
    0x7fc00000, 0x7fc00001, 0x7fa00000, 0x7f800001, 0x7fffffff, 0x3effffff, 0x3f7fffff]})
F64 = sorted({sign | bits for sign in (0, 1 << 63) for bits in [
    *(f64_bits(value) for value in _WHOLE), 1, 0x000fffffffffffff, 0x0010000000000000, 0x7fefffffffffffff, 0x7ff0000000000000, 0x41dfffffffffffff,
    0x41efffffffffffff, 0x43dfffffffffffff, 0x43efffffffffffff, 0x41dfffffffc00000, 0x41e0000000200000, 0x47efffffe0000000, 0x47efffffefffffff,
    0x47effffff0000000, 0x36a0000000000000, 0x3690000000000000, 0x3690000000000001, 0x380fffffffffffff, 0x3800000000000000, 0x7ff8000000000000,
    0x7ff8000000000001, 0x7ff4000000000000, 0x7ff0000000000001, 0x7ff0000020000000, 0x7fffffffffffffff, 0x3fdfffffffffffff]})
OFFSETS = [1, 2, 3, 7, 8, 15, 16, 100, 4095, 4096, 65528, 65532, 65535, 65536, 0x7fffffff, 0x80000000, 0xfffffff0, 0xfffffffe, 0xffffffff]


def i32(chance):
    return chance.choice(I32) if chance.random() < 0.7 else chance.choice((chance.getrandbits(32), 1 << chance.randrange(32), chance.randrange(-20, 20)))


def i64(chance):
    return chance.choice(I64) if chance.random() < 0.7 else chance.choice((chance.getrandbits(64), 1 << chance.randrange(64), chance.randrange(-20, 20)))


def f32(chance):
    return chance.choice(F32) if chance.random() < 0.8 else f32_bits(chance.uniform(-1000, 1000))


def f64(chance):
    return chance.choice(F64) if chance.random() < 0.8 else f64_bits(chance.uniform(-1000, 1000))


def v128(chance):
    kind = chance.randrange(6)
    if kind == 0:
        return bytes(chance.choice((0, 1, 0x7f, 0x80, 0x81, 0xff, 0xfe, 0x55)) for _ in range(16))
    if kind == 1:
        return b"".join(struct.pack("<H", chance.choice((0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x00ff, 0xff80))) for _ in range(8))
    if kind == 2:
        return b"".join(struct.pack("<I", chance.choice(I32)) for _ in range(4))
    if kind == 3:
        return b"".join(struct.pack("<Q", chance.choice(I64) & (1 << 64) - 1) for _ in range(2))
    if kind == 4:
        return b"".join(struct.pack("<I", chance.choice(F32)) for _ in range(4))
    return b"".join(struct.pack("<Q", chance.choice(F64)) for _ in range(2))


def address(chance, page_count):
    """Near the edges of a memory of that many pages, or of the address space."""
    edge = chance.choice((0, 65536, page_count * 65536, page_count * 65536, 1 << 32, 1 << 31))
    return (edge + chance.choice((-17, -16, -9, -8, -5, -4, -3, -2, -1, 0, 1, 8))) & 0xffffffff
