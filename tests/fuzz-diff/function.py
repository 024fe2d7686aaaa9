# SPDX-License-Identifier: Apache-2.0
"""One random function body for generate.py: expressions of a type, statements, and forms that optimisers look for."""

import edges
from encode import EXNREF, F32, F64, FUNCREF, I32, I64, OPS, V128, f32_const, f64_const, i32_const, i64_const, s, u
from generate import COST_MAX, FLOATS, NUMBERS, const_code, is_arithmetic, operand_dirt, op_prefix, result_kind

BUDGET = 90 # instructions of one function, about
NAN_F32, NAN_F64 = 0x7fc00000, 0x7ff8000000000000
TYPED = {I32: b"\x7f", I64: b"\x7e", F32: b"\x7d", F64: b"\x7c", V128: b"\x7b"}


class Label:
    def __init__(self, kinds, dirt, is_loop=False):
        self.kinds, self.dirt, self.is_loop = list(kinds), list(dirt), is_loop


class Function:
    def __init__(self, module, index, signature):
        self.module, self.chance, self.index = module, module.chance, index
        self.params, self.results = signature
        self.dirt_in, self.dirt_out = module.dirt(*signature)
        self.code = bytearray()
        self.locals = [] # (kind, may it be dirty)
        self.pool = [(slot, kind, dirty) for slot, (kind, dirty) in enumerate(zip(self.params, self.dirt_in))]
        self.labels = [Label(self.results, self.dirt_out)]
        self.budget, self.cost, self.mult = BUDGET, 0, 1

    # --- pieces ---

    def local(self, kind, in_pool=False, dirty=False):
        slot = len(self.params) + len(self.locals)
        self.locals.append((kind, dirty))
        if in_pool:
            self.pool.append((slot, kind, dirty))
        return slot

    def finish(self):
        runs = u(len(self.locals)) + b"".join(u(1) + bytes([kind]) for kind, _ in self.locals)
        return runs + bytes(self.code) + b"\x0b"

    def body(self):
        for _ in range(self.chance.randint(2, 6)):
            kind = self.chance.choice(self.module.kinds)
            self.local(kind, True, kind in FLOATS and self.chance.random() < 0.5)
        for _ in range(self.chance.randint(1, 8)):
            self.statement(3)
        if self.module.features.tail_call and self.chance.random() < 0.3 and self.tail_call():
            return self.finish()
        for kind, dirty in zip(self.results, self.dirt_out):
            self.expression(kind, 3, dirty)
        return self.finish()

    def emit(self, *parts):
        self.budget -= 1
        self.cost += self.mult
        for part in parts:
            self.code += part

    def const(self, kind):
        self.emit(const_code(self.chance, kind))

    def canonical(self, kind, dirt):
        """The value on the stack with every NaN replaced by the canonical one."""
        slot = self.local(kind)
        if kind == V128:
            is_32 = dirt == "f32x4"
            nan = OPS["v128.const"].code + (NAN_F32.to_bytes(4, "little") * 4 if is_32 else NAN_F64.to_bytes(8, "little") * 2)
            equal, choose = OPS["f32x4.eq" if is_32 else "f64x2.eq"].code, OPS["v128.bitselect"].code
        else:
            nan = f32_const(NAN_F32) if kind == F32 else f64_const(NAN_F64)
            equal, choose = OPS["f32.eq" if kind == F32 else "f64.eq"].code, b"\x1b"
        get = b"\x20" + u(slot)
        self.emit(b"\x22", u(slot), nan, get, get, equal, choose)

    def candidates(self, kind, dirt):
        return [slot for slot, own, dirty in self.pool if own == kind and (dirt is True or not dirty)]

    # --- expressions ---

    def expression(self, kind, depth, dirt=False):
        """Leave a value of kind on the stack; dirt: False, True (scalar) or a lane kind (vector) - which bits may be open."""
        chance = self.chance
        slots = self.candidates(kind, dirt)
        if depth <= 0 or self.budget <= 0:
            if slots and chance.random() < 0.7:
                self.emit(b"\x20", u(chance.choice(slots)))
            else:
                self.const(kind)
            return
        roll = chance.random()
        if roll < 0.48:
            self.operation(kind, depth, dirt)
        elif roll < 0.60 and slots:
            self.emit(b"\x20", u(chance.choice(slots)))
        elif roll < 0.66:
            self.const(kind)
        elif roll < 0.78:
            self.load(kind, depth)
        elif roll < 0.81:
            self.global_get(kind)
        elif roll < 0.85:
            self.choose(kind, depth, dirt)
        elif roll < 0.89:
            self.block_value(kind, depth, dirt)
        elif roll < 0.92 and slots:
            slot = chance.choice(slots)
            self.expression(kind, depth - 1, False if not any(slot == own and dirty for own, _, dirty in self.pool) else dirt)
            self.emit(b"\x22", u(slot))
        elif roll < 0.95:
            self.call_value(kind, depth, dirt)
        elif kind == I32:
            self.special_i32(depth)
        else:
            self.pattern(kind, depth)

    def operation(self, kind, depth, dirt):
        chance = self.chance
        ops = self.module.ops.pure[kind]
        op = chance.choice(ops)
        if kind != V128 and V128 in op.params and chance.random() > self.module.features.simd_weight:
            op = chance.choice([other for other in ops if V128 not in other.params])
        if is_trapping(op) and chance.random() < 0.6:
            op = chance.choice([other for other in ops if V128 not in other.params and not is_trapping(other)])
        for index, operand in enumerate(op.params):
            allowed = operand_dirt(op, index, dirt)
            if operand == V128 and kind == V128 and index == 0 and not allowed and dirt and dirt == op_prefix(op) and not is_arithmetic(op):
                allowed = False
            self.expression(operand, depth - 1, allowed)
            if index == 1 and is_division(op) and chance.random() < 0.7:
                self.emit(i32_const(1) + b"\x72" if kind == I32 else i64_const(1) + b"\x84")
        self.emit(op.code, self.immediate(op))
        if is_arithmetic(op) and not (dirt is True or dirt == result_kind(op)):
            self.canonical(kind, result_kind(op))

    def immediate(self, op):
        if op.imm == "LANE":
            return bytes([self.chance.randrange(op.number)])
        if op.imm == "V128": # shuffle
            kind = self.chance.randrange(4)
            start = self.chance.randrange(17)
            if kind == 0:
                return bytes(range(start, start + 16))
            if kind == 1:
                return bytes([self.chance.randrange(32)] * 16)
            if kind == 2:
                width = self.chance.choice((2, 4, 8))
                lanes = [self.chance.randrange(32 // width) for _ in range(16 // width)]
                return bytes(lane * width + byte for lane in lanes for byte in range(width))
            return bytes(self.chance.randrange(32) for _ in range(16))
        return b""

    def address(self, depth):
        """An address on the stack; returns the offset of the access."""
        chance = self.chance
        roll = chance.random()
        if roll < 0.55:
            self.expression(I32, depth - 1)
            self.emit(i32_const(chance.choice((0x3ff, 0xfff, 0x7fff, 0xfff8))) + b"\x71")
            return chance.choice((0, 0, 0, 1, 4, 8, 100, 4096))
        if roll < 0.82:
            self.emit(i32_const(chance.choice((0, 4, 8, 100, ARGUMENT, 32768, chance.randrange(60000)))))
            return chance.choice((0, 0, 0, 1, 2, 8, 16, 1000))
        if roll < 0.95:
            self.emit(i32_const(edges.address(chance, self.module.page_count)))
            return chance.choice((0, 0, 0, chance.choice(edges.OFFSETS)))
        self.expression(I32, depth - 1)
        return chance.choice((0, chance.choice(edges.OFFSETS)))

    def memarg(self, op, offset):
        natural = op.number.bit_length() - 1
        align = natural if op.feature == "threads" else self.chance.choice((natural, natural, 0, self.chance.randint(0, natural)))
        lane = bytes([self.chance.randrange(16 // op.number)]) if op.imm == "MEMARG_LANE" else b""
        return u(align) + u(offset) + lane

    def load(self, kind, depth):
        ops = self.module.ops.loads[kind]
        if self.module.ops.atomics.get(kind) and self.chance.random() < 0.3:
            ops = self.module.ops.atomics[kind]
        op = self.chance.choice(ops)
        offset = self.address(depth)
        for operand in op.params[1:]:
            self.expression(operand, depth - 2)
        self.emit(op.code, self.memarg(op, offset))

    def global_get(self, kind):
        found = [index for index, (own, _) in enumerate(self.module.globals) if own == kind]
        if found:
            self.emit(b"\x23", u(self.chance.choice(found)))
        else:
            self.const(kind)

    def choose(self, kind, depth, dirt):
        self.expression(kind, depth - 1, dirt)
        self.expression(kind, depth - 1, dirt)
        self.expression(I32, depth - 1)
        self.emit(b"\x1b" if self.chance.random() < 0.5 else b"\x1c\x01" + TYPED[kind])

    def block_value(self, kind, depth, dirt):
        """if/else or a block that branches out with a value."""
        label = Label([kind], [dirt])
        if self.chance.random() < 0.5:
            self.expression(I32, depth - 1)
            self.emit(b"\x04" + TYPED[kind])
            self.labels.append(label)
            self.expression(kind, depth - 1, dirt)
            self.emit(b"\x05")
            self.expression(kind, depth - 1, dirt)
        else:
            self.emit(b"\x02" + TYPED[kind])
            self.labels.append(label)
            if self.chance.random() < 0.4:
                self.statement(depth - 1)
            self.expression(kind, depth - 1, dirt)
            self.expression(I32, depth - 1)
            self.emit(b"\x0d\x00")
            if self.chance.random() < 0.4:
                self.emit(b"\x1a")
                self.expression(kind, depth - 1, dirt)
        self.labels.pop()
        self.emit(b"\x0b")

    def callees(self, results=None, exact=None):
        module = self.module
        first = max(self.index + 1, 0)
        found = []
        for index in range(first, min(len(module.function_types), max(module.bodies, default=-1) + 1)):
            cost = module.costs.get(index)
            signature = module.types[module.function_types[index]]
            if cost is not None and cost * self.mult + self.cost < COST_MAX and (results is None or signature[1] == results) and (
                    exact is None or signature[1] == exact):
                found.append(index)
        return found

    def arguments(self, params, dirt, depth):
        for kind, dirty in zip(params, dirt):
            self.expression(kind, depth - 1, dirty)

    def call_value(self, kind, depth, dirt):
        module = self.module
        found = [index for index in self.callees(results=(kind,))
                 if dirt is True or not module.dirt(*module.types[module.function_types[index]])[1][0]]
        if not found:
            self.const(kind)
            return
        callee = self.chance.choice(found)
        params, results = module.types[module.function_types[callee]]
        self.arguments(params, module.dirt(params, results)[0], depth)
        self.emit(b"\x10", u(callee))
        self.cost += module.costs[callee] * self.mult

    def special_i32(self, depth):
        roll = self.chance.randrange(6)
        table = self.chance.randrange(2)
        if roll == 0:
            self.emit(b"\x3f\x00")
        elif roll == 1:
            self.emit(OPS["table.size"].code, u(table))
        elif roll == 2:
            self.emit(i32_const(self.chance.choice((0, 0, 1, 1, 2, 65535, 65536, -1))) + b"\x40\x00")
        elif roll == 3:
            self.table_index(depth, table)
            self.emit(b"\x25", u(table), b"\xd1")
        elif roll == 4:
            self.reference()
            self.emit(i32_const(self.chance.choice((0, 1, 2, 30, -1))), OPS["table.grow"].code, u(table))
        else:
            self.pattern(I32, depth)

    def reference(self):
        if self.chance.random() < 0.4:
            self.emit(b"\xd0\x70")
        else:
            self.emit(b"\xd2", u(self.chance.randrange(self.module.leaf, len(self.module.function_types) if self.index < 0 else self.module_count())))

    def module_count(self):
        return getattr(self.module, "function_count", len(self.module.function_types))

    def table_index(self, depth, table):
        size = self.module.table_sizes[table][0]
        if self.chance.random() < 0.6:
            self.emit(i32_const(self.chance.randrange(size + 1)))
        else:
            self.expression(I32, depth - 1)
            if self.chance.random() < 0.7:
                self.emit(i32_const(7) + b"\x71")

    def pattern(self, kind, depth):
        """Forms that instruction combiners look for."""
        chance = self.chance
        if kind not in (I32, I64):
            self.operation(kind, depth, False)
            return
        bits = 32 if kind == I32 else 64
        const = i32_const if kind == I32 else i64_const
        shl, shr_s, shr_u, sub, conj, disj, xor = ((b"\x74", b"\x75", b"\x76", b"\x6b", b"\x71", b"\x72", b"\x73") if kind == I32 else
                                                   (b"\x86", b"\x87", b"\x88", b"\x7d", b"\x83", b"\x84", b"\x85"))
        slot = self.local(kind)
        amount = chance.choice((1, 8, 16, 24, bits - 1, bits, bits + 1, -1))
        self.expression(kind, depth - 1)
        get = b"\x20" + u(slot)
        self.emit(b"\x22", u(slot))
        forms = (const(amount) + shl + const(amount) + chance.choice((shr_s, shr_u)), const(amount) + shl + get + const(bits - amount) + shr_u + disj,
                 const(0) + get + sub + conj, get + const(1) + sub + conj, const(bits - 1) + shr_s + get + xor + get + const(bits - 1) + shr_s + sub,
                 get + const(8) + shr_u + xor + get + const(24) + shl + disj, const(chance.choice((3, 7, 10, 255, -3, 1 << (bits - 1)))) + divide(kind, chance),
                 const(chance.choice((3, 8, -8, 641, 1 << (bits - 1)))) + remainder(kind, chance))
        self.emit(chance.choice(forms))

    # --- statements ---

    def statement(self, depth):
        chance = self.chance
        if self.budget <= 0:
            return
        choices = [(self.set_local, 20), (self.store, 16), (self.global_set, 7), (self.drop_value, 6), (self.condition, 8), (self.loop, 6), (self.branch, 4),
                   (self.switch, 3), (self.bulk, 6), (self.call, 8), (self.call_indirect, 5), (self.table_change, 3), (self.block_values, 3),
                   (self.idiom, 4), (self.dead_code, 1), (self.pair, 3)]
        if self.module.tags:
            choices += [(self.throw, 4), (self.try_block, 12)]
        chance.choices([choice for choice, _ in choices], [weight for _, weight in choices])[0](depth)

    def set_local(self, depth):
        slot, kind, dirty = self.chance.choice(self.pool)
        self.expression(kind, depth, dirty)
        self.emit(b"\x21", u(slot))

    def store(self, depth):
        ops = self.module.ops.stores
        op = self.chance.choice(ops)
        if V128 in op.params and self.chance.random() > self.module.features.simd_weight:
            op = self.chance.choice([other for other in ops if V128 not in other.params])
        offset = self.address(depth)
        self.expression(op.params[1], depth - 1)
        self.emit(op.code, self.memarg(op, offset))

    def global_set(self, depth):
        index = self.chance.randrange(len(self.module.globals))
        self.expression(self.module.globals[index][0], depth)
        self.emit(b"\x24", u(index))

    def drop_value(self, depth):
        kind = self.chance.choice(self.module.kinds)
        self.chance.choice((self.load, lambda own, deep: self.operation(own, deep, own in FLOATS)))(kind, depth)
        self.emit(b"\x1a")

    def condition(self, depth):
        self.expression(I32, depth - 1)
        self.emit(b"\x04\x40")
        self.labels.append(Label((), ()))
        self.statement(depth - 1)
        if self.chance.random() < 0.5:
            self.emit(b"\x05")
            self.statement(depth - 1)
        self.labels.pop()
        self.emit(b"\x0b")

    def loop(self, depth):
        count = self.chance.choice((1, 2, 3, 5, 9))
        if self.mult * count > 100 or depth <= 0:
            return
        counter = self.local(I32)
        self.emit(i32_const(count), b"\x21", u(counter), b"\x03\x40")
        self.labels.append(Label((), (), True))
        self.mult *= count
        for _ in range(self.chance.randint(1, 3)):
            self.statement(depth - 1)
        self.emit(b"\x20", u(counter), i32_const(1), b"\x6b\x22", u(counter), b"\x0d\x00")
        self.mult //= count
        self.labels.pop()
        self.emit(b"\x0b")

    def branch(self, depth):
        """br_if, or br and return inside an if."""
        found = [index for index in range(len(self.labels)) if not self.labels[index].is_loop]
        index = self.chance.choice(found)
        label = self.labels[index]
        distance = len(self.labels) - 1 - index
        self.expression(I32, depth - 1)
        if not label.kinds and self.chance.random() < 0.5:
            self.emit(b"\x0d", u(distance))
            return
        self.emit(b"\x04\x40")
        for kind, dirty in zip(label.kinds, label.dirt):
            self.expression(kind, depth - 1, dirty)
        self.emit(b"\x0f" if index == 0 and self.chance.random() < 0.5 else b"\x0c" + u(distance + 1))
        self.dead(0.3)
        self.emit(b"\x0b")

    def switch(self, depth):
        """br_table out of nested blocks, each with its own statement after it."""
        count = self.chance.randint(1, 5)
        for _ in range(count + 1):
            self.emit(b"\x02\x40")
            self.labels.append(Label((), ()))
        self.expression(I32, depth - 1)
        targets = [u(self.chance.randint(0, count)) for _ in range(self.chance.randint(0, 7))]
        self.emit(b"\x0e", u(len(targets)), *targets, u(self.chance.randint(0, count)))
        for number in range(count + 1):
            self.labels.pop()
            self.emit(b"\x0b")
            if number < count and self.chance.random() < 0.7:
                self.statement(depth - 2)
                if self.chance.random() < 0.5:
                    self.emit(b"\x0c", u(self.chance.randrange(count - number)))

    def block_values(self, depth):
        """A block, perhaps with parameters, and several results."""
        params = [self.chance.choice(self.module.kinds) for _ in range(self.chance.randint(0, 3))]
        results = [self.chance.choice(self.module.kinds) for _ in range(self.chance.randint(1, 4))]
        dirt_in, dirt_out = self.module.dirt(params, results)
        for kind, dirty in zip(params, dirt_in):
            self.expression(kind, depth - 1, dirty)
        is_if = self.chance.random() < 0.4
        if is_if:
            self.expression(I32, depth - 1)
        self.emit(b"\x04" if is_if else b"\x02", s(self.module.type_index(params, results)))
        self.labels.append(Label(results, dirt_out))
        for arm in range(2 if is_if else 1):
            if arm:
                self.emit(b"\x05")
            for kind, dirty in reversed(list(zip(params, dirt_in))):
                self.emit(b"\x21", u(self.local(kind, True, dirty)))
            self.statement(depth - 2)
            for kind, dirty in zip(results, dirt_out):
                self.expression(kind, depth - 1, dirty)
            if not is_if and self.chance.random() < 0.5:
                self.expression(I32, depth - 2)
                self.emit(b"\x0d\x00")
        self.labels.pop()
        self.emit(b"\x0b")
        for kind, dirty in reversed(list(zip(results, dirt_out))):
            self.emit(b"\x21", u(self.local(kind, True, dirty)))

    def length(self, depth):
        if self.chance.random() < 0.8:
            self.emit(i32_const(self.chance.choice((0, 0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 255, 256, 1000, 65535, 65536, -1))))
        else:
            self.expression(I32, depth - 1)
            self.emit(i32_const(0xff) + b"\x71")

    def bulk(self, depth):
        """Overlapping copies, fills, passive segments; at the edges."""
        roll = self.chance.random()
        self.cost += 40 * self.mult
        start = self.chance.choice((0, 1, 100, 2000, 65000))
        near = self.chance.random() < 0.6
        if near:
            self.emit(i32_const(start + self.chance.choice((0, 1, 3, 8, 16, 40))))
        else:
            self.address(depth)
        if roll < 0.4:
            if near:
                self.emit(i32_const(start + self.chance.choice((0, 1, 3, 8, 16, 40))))
            else:
                self.address(depth)
            self.length(depth)
            self.emit(OPS["memory.copy"].code, b"\x00\x00")
        elif roll < 0.7:
            self.expression(I32, depth - 2)
            self.length(depth)
            self.emit(OPS["memory.fill"].code, b"\x00")
        else:
            self.emit(i32_const(self.chance.choice((0, 0, 1, 8, 16, 70, 71, -1))))
            self.length(depth)
            self.emit(OPS["memory.init"].code, u(self.chance.randrange(self.module.data_count)), b"\x00")
        if self.chance.random() < 0.07:
            self.emit(OPS["data.drop"].code, u(self.chance.randrange(self.module.data_count)))

    def call(self, depth):
        module = self.module
        found = self.callees()
        if not found:
            return
        callee = self.chance.choice(found)
        params, results = module.types[module.function_types[callee]]
        dirt_in, dirt_out = module.dirt(params, results)
        self.arguments(params, dirt_in, depth)
        self.emit(b"\x10", u(callee))
        self.cost += module.costs[callee] * self.mult
        self.take(results, dirt_out)

    def take(self, results, dirt):
        for kind, dirty in reversed(list(zip(results, dirt))):
            self.emit(b"\x21" + u(self.local(kind, True, dirty)) if self.chance.random() < 0.8 else b"\x1a")

    def indirect_cost(self):
        return max((cost for index, cost in self.module.costs.items() if index >= self.module.leaf), default=None)

    def call_indirect(self, depth):
        module = self.module
        cost = self.indirect_cost()
        if self.index >= module.leaf or cost is None or cost * self.mult + self.cost > COST_MAX:
            return
        table = int(self.chance.random() < 0.15)
        params, results = module.types[module.function_types[self.chance.randrange(module.leaf, len(module.function_types))]]
        if self.chance.random() < 0.1:
            params, results = (), (I32,)
        dirt_in, dirt_out = module.dirt(params, results)
        self.arguments(params, dirt_in, depth)
        self.table_index(depth, table)
        self.emit(b"\x11", u(module.type_index(params, results)), u(table))
        self.cost += cost * self.mult
        self.take(results, dirt_out)

    def tail_call(self):
        module = self.module
        same = [index for index in self.callees(results=tuple(self.results))
                if all(mine or not theirs for mine, theirs in zip(self.dirt_out, module.dirt(*module.types[module.function_types[index]])[1]))]
        if not same:
            return False
        callee = self.chance.choice(same)
        params, results = module.types[module.function_types[callee]]
        self.arguments(params, module.dirt(params, results)[0], 2)
        cost = self.indirect_cost()
        if callee >= module.leaf and self.index < module.leaf and cost is not None and cost + self.cost < COST_MAX and self.chance.random() < 0.4:
            self.table_index(2, 0)
            self.emit(b"\x13", u(module.type_index(params, results)), b"\x00")
            self.cost += cost
        else:
            self.emit(b"\x12", u(callee))
            self.cost += module.costs[callee]
        return True

    def table_change(self, depth):
        roll = self.chance.randrange(5)
        table = self.chance.randrange(2)
        if roll == 0:
            self.table_index(depth, table)
            self.reference()
            self.emit(b"\x26", u(table))
        elif roll == 1:
            self.table_index(depth, table)
            self.reference()
            self.emit(i32_const(self.chance.choice((0, 1, 2, 5, -1))), OPS["table.fill"].code, u(table))
        elif roll == 2:
            other = self.chance.randrange(2)
            self.table_index(depth, table)
            self.table_index(depth, other)
            self.emit(i32_const(self.chance.choice((0, 1, 2, 5, 100))), OPS["table.copy"].code, u(table), u(other))
        elif roll == 3:
            self.table_index(depth, table)
            self.emit(i32_const(self.chance.choice((0, 0, 1, 4, -1))), i32_const(self.chance.choice((0, 1, 2, 5))), OPS["table.init"].code,
                      u(self.chance.randrange(self.module.elem_count)), u(table))
        else:
            self.emit(OPS["elem.drop"].code, u(self.chance.randrange(self.module.elem_count)))

    def pair(self, depth):
        """Quotient and remainder of the same operands, into memory and a global if there is one."""
        kind = self.chance.choice((I32, I64))
        const = i32_const if kind == I32 else i64_const
        left, right = self.local(kind, True), self.local(kind, True)
        self.expression(kind, depth - 1)
        self.emit(b"\x21", u(left))
        self.expression(kind, depth - 1)
        if self.chance.random() < 0.6:
            self.emit(const(1) + (b"\x72" if kind == I32 else b"\x84"))
        self.emit(b"\x21", u(right))
        is_signed = self.chance.random() < 0.5
        for form in ((b"\x6d", b"\x6f") if kind == I32 else (b"\x7f", b"\x81")) if is_signed else ((b"\x6e", b"\x70") if kind == I32 else (b"\x80", b"\x82")):
            self.emit(i32_const(64 + 8 * self.chance.randrange(8)), b"\x20", u(left), b"\x20", u(right), form, b"\x36\x00\x00" if kind == I32 else b"\x37\x00\x00")

    def dead(self, odds):
        """Code after an unconditional branch: the stack takes any type."""
        if self.chance.random() >= odds:
            return
        for _ in range(self.chance.randint(1, 3)):
            op = self.chance.choice(self.module.ops.pure[self.chance.choice(self.module.kinds)])
            self.emit(op.code, self.immediate(op), b"\x1a")
        self.emit(self.chance.choice((b"\x1b\x1a", b"\x0d\x00", b"\x04\x40\x0b", b"\x1a\x1a", b"\x0e\x01\x00\x00")), b"\x00")

    def dead_code(self, depth):
        self.expression(I32, depth - 1)
        self.emit(i32_const(self.chance.choice((1, 3, 7))) + b"\x71\x45\x04\x40\x00")
        self.labels.append(Label((), ()))
        self.dead(0.6)
        self.labels.pop()
        self.emit(b"\x0b")

    def idiom(self, depth):
        """Loops that LLVM makes memset, memcpy, memmove or vectors of: also where the store traps halfway."""
        chance = self.chance
        width = chance.choice((1, 1, 2, 4, 8))
        count = chance.choice((3, 16, 17, 33, 64))
        if self.mult * count > 1000 or depth < 2:
            return
        self.cost += 12 * count * self.mult
        load, store, kind = {1: (b"\x2d", b"\x3a", I32), 2: (b"\x2f", b"\x3b", I32), 4: (b"\x28", b"\x36", I32), 8: (b"\x29", b"\x37", I64)}[width]
        at, left, total = self.local(I32), self.local(I32), self.local(kind, True)
        base = chance.choice((0, 8, 40, 3000, 65536 - 24, 65536 - count * width, 65536 * self.module.page_count - 20, 0xfffffff0))
        distance = chance.choice((0, 1, width, 8, 16, 100, 2000)) * chance.choice((1, 1, -1))
        get_at = b"\x20" + u(at)
        form = chance.randrange(4)
        self.emit(i32_const(base), b"\x21", u(at), i32_const(count), b"\x21", u(left), b"\x03\x40")
        if form == 0:
            self.emit(get_at)
            self.code += (i32_const if kind == I32 else i64_const)(chance.choice((0, -1, 0x41, 0x01020304))) + store + b"\x00\x00"
        elif form == 1:
            self.emit(get_at, get_at, i32_const(distance), b"\x6a", load, b"\x00\x00", store, b"\x00\x00")
        elif form == 2:
            self.emit(get_at, load, b"\x00\x00\x20", u(total), b"\x6a" if kind == I32 else b"\x7c", b"\x21", u(total))
        else:
            self.emit(get_at, get_at, load, b"\x00\x00\x20", u(total), b"\x6a" if kind == I32 else b"\x7c", b"\x22", u(total), store, b"\x00", u(chance.choice((0, width, 64))))
        self.emit(get_at, i32_const(chance.choice((width, width, width, -width, 2 * width))), b"\x6a\x21", u(at), b"\x20", u(left), i32_const(1),
                  b"\x6b\x22", u(left), b"\x0d\x00\x0b")

    # --- exceptions ---

    def throw(self, depth):
        number = self.chance.randrange(len(self.module.tags))
        self.expression(I32, depth - 1)
        self.emit(b"\x04\x40")
        for kind in self.module.types[self.module.tags[number]][0]:
            self.expression(kind, depth - 1)
        self.emit(b"\x08", u(number), b"\x0b")

    def protected(self, depth):
        for _ in range(self.chance.randint(1, 3)):
            self.chance.choice((self.throw, self.call, self.call_indirect, self.statement, self.store))(depth - 1)

    def try_block(self, depth):
        if depth > 0:
            (self.try_legacy if self.module.features.legacy else self.try_table)(depth)

    def try_legacy(self, depth):
        self.emit(b"\x06\x40")
        self.labels.append(Label((), ()))
        self.protected(depth)
        if self.chance.random() < 0.15:
            self.labels.pop()
            self.emit(b"\x18" + u(self.chance.randrange(len(self.labels))) if self.chance.random() < 0.7 else b"\x19\x0b")
            return
        tags = self.chance.sample(range(len(self.module.tags)), self.chance.randint(0, len(self.module.tags)))
        for number in tags:
            self.emit(b"\x07", u(number))
            for kind in reversed(self.module.types[self.module.tags[number]][0]):
                self.emit(b"\x21", u(self.local(kind, True)))
            self.handler(depth)
        if not tags or self.chance.random() < 0.5:
            self.emit(b"\x19")
            self.handler(depth)
        self.labels.pop()
        self.emit(b"\x0b")

    def handler(self, depth):
        self.statement(depth - 1)
        if self.chance.random() < 0.15:
            self.emit(i32_const(self.chance.randrange(2)), b"\x04\x40\x09\x01\x0b")

    def try_table(self, depth):
        """block (tag's values [exnref]) .. try_table .. end; br over it .. end: the values are taken."""
        number = self.chance.choice((None, *range(len(self.module.tags))))
        has_ref = self.chance.random() < 0.4
        kinds = [] if number is None else list(self.module.types[self.module.tags[number]][0])
        everything = kinds + ([EXNREF] if has_ref else [])
        catch = (bytes([1 if has_ref else 0]) + u(number) if number is not None else bytes([3 if has_ref else 2])) + u(0)
        self.emit(b"\x02\x40")
        self.labels.append(Label((), ()))
        self.emit(b"\x02", s(self.module.type_index((), everything)))
        self.labels.append(Label(everything, [False] * len(everything), True)) # no target of a branch: an exnref cannot be made
        self.emit(b"\x1f\x40", u(1), catch)
        self.labels.append(Label((), ()))
        self.protected(depth)
        self.labels.pop()
        self.emit(b"\x0b\x0c\x01\x0b")
        self.labels.pop()
        reference = self.local(EXNREF) if has_ref else None
        if has_ref:
            self.emit(b"\x21", u(reference))
        for kind in reversed(kinds):
            self.emit(b"\x21", u(self.local(kind, True)))
        self.statement(depth - 1)
        if has_ref and self.chance.random() < 0.4:
            self.expression(I32, depth - 2)
            self.emit(b"\x04\x40\x20", u(reference), b"\x0a\x0b")
        self.labels.pop()
        self.emit(b"\x0b")


ARGUMENT = 1024


def is_division(op):
    return op.name in ("i32.div_s", "i32.div_u", "i32.rem_s", "i32.rem_u", "i64.div_s", "i64.div_u", "i64.rem_s", "i64.rem_u")


def is_trapping(op):
    return op.name.startswith(("i32.trunc_f", "i64.trunc_f"))


def divide(kind, chance):
    return chance.choice((b"\x6d", b"\x6e") if kind == I32 else (b"\x7f", b"\x80"))


def remainder(kind, chance):
    return chance.choice((b"\x6f", b"\x70") if kind == I32 else (b"\x81", b"\x82"))
