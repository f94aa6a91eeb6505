# SPDX-License-Identifier: Apache-2.0
"""An encoder for Quantum folders of cabinets, which nothing writes any more: an arithmetic coder of 16 bits with adaptive models.
Facts: M. Russotto, "Quantum Archive Format"; what the decoders of libmspack and 7-Zip agree on."""

FRAME = 32768
LENGTH_EXTRA = [0] * 6 + [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5] * 4 + [0]
EXTRA = [0, 0] + [n // 2 for n in range(40)]
UNIT, LIMIT, FIRST_SHIFTS, SHIFTS = 8, 3800, 4, 50


def bases(extra):
    out, at = [], 0
    for bits in extra:
        out.append(at)
        at += 1 << bits
    return out


BASE, LENGTH_BASE = bases(EXTRA), bases(LENGTH_EXTRA)
LENGTH_BASE[26] = 254  # the last one overlaps: lengths of 259, no extra bits


class Model:
    """Symbols by falling frequency; weight[i] is the sum of the frequencies from the i-th on."""

    def __init__(self, first, count):
        self.symbols = list(range(first, first + count))
        self.weight = list(range(count, -1, -1))
        self.shifts = FIRST_SHIFTS

    def used(self, at):
        for i in range(at + 1):
            self.weight[i] += UNIT
        if self.weight[0] > LIMIT:
            self.shrink()

    def shrink(self):
        count, weight = len(self.symbols), self.weight
        self.shifts -= 1
        if self.shifts > 0:
            for i in reversed(range(count)):
                weight[i] = max(weight[i] >> 1, weight[i + 1] + 1)
            return
        self.shifts = SHIFTS
        own = [(weight[i] - weight[i + 1] + 1) >> 1 for i in range(count)]
        for i in range(count - 1):  # not stable, and all readers are unstable in the same way
            for j in range(i + 1, count):
                if own[i] < own[j]:
                    own[i], own[j] = own[j], own[i]
                    self.symbols[i], self.symbols[j] = self.symbols[j], self.symbols[i]
        for i in reversed(range(count)):
            weight[i] = own[i] + weight[i + 1]


class Coder:
    """One frame. The reader is 16 bits ahead with what is arithmetic, so plain bits go in between at its place."""

    def __init__(self):
        self.low, self.high, self.waiting, self.read = 0, 0xFFFF, 0, 16
        self.bits, self.plain = [], []

    def bit(self, value):
        self.bits += [value] + [1 - value] * self.waiting
        self.waiting = 0

    def symbol(self, model, symbol):
        at, size, total = model.symbols.index(symbol), self.high - self.low + 1, model.weight[0]
        self.high = self.low + model.weight[at] * size // total - 1
        self.low += model.weight[at + 1] * size // total
        model.used(at)
        while True:
            if (self.low ^ self.high) & 0x8000 == 0:
                self.bit(self.low >> 15)
            elif self.low & 0x4000 and not self.high & 0x4000:
                self.waiting += 1
                self.low &= 0x3FFF
                self.high |= 0x4000
            else:
                return
            self.low, self.high = self.low << 1 & 0xFFFF, (self.high << 1 | 1) & 0xFFFF
            self.read += 1

    def number(self, value, width):
        if width > 0:
            self.plain.append((self.read, [value >> i & 1 for i in reversed(range(width))]))

    def bytes(self):
        self.bit(self.low >> 15)
        for i in reversed(range(15)):
            self.bits.append(self.low >> i & 1)
        out, at = [], 0
        for place, bits in self.plain:
            out += self.bits[at:place] + bits
            at = place
        out += self.bits[at:]
        out += [0] * (2 + -(len(out) + 2) % 8)  # 7-Zip wants two bits more, then whole bytes
        return bytes(int("".join(map(str, out[i:i + 8])), 2) for i in range(0, len(out), 8))


class Encoder:
    """matches=False: literals alone. lie(slot) may put another distance in the place of one."""

    def __init__(self, window, matches=True, lie=None):
        slots = 2 * window
        self.window, self.matches, self.lie = window, matches, lie or (lambda slot: slot)
        self.literals = [Model(64 * i, 64) for i in range(4)]
        self.three, self.four, self.any = Model(0, min(slots, 24)), Model(0, min(slots, 36)), Model(0, slots)
        self.long, self.kind = Model(0, 27), Model(0, 7)
        self.places, self.seen = {}, {"literal": 0, "three": 0, "four": 0, "long": 0, "longest": 0}

    def best(self, data, at, end):
        found = (0, 0)
        for begin in self.places.get(data[at:at + 3], [])[-8:]:
            n = 0
            while n < 259 and at + n < end and data[begin + n] == data[at + n]:
                n += 1
            if at - begin <= (1 << self.window) - 3:
                found = max(found, (n, begin - at))
        return found[0], -found[1]

    def fits(self, model, distance):
        return distance <= BASE[len(model.symbols) - 1] + (1 << EXTRA[len(model.symbols) - 1])

    def distance(self, coder, model, distance):
        slot = max(i for i in range(len(model.symbols)) if BASE[i] < distance)
        coder.symbol(model, self.lie(slot))
        coder.number(distance - 1 - BASE[slot], EXTRA[slot])

    def match(self, coder, length, distance):
        """The length that was written; 0 when a literal has to do."""
        if length >= 5:
            slot = max(i for i in range(27) if LENGTH_BASE[i] <= length - 5)
            coder.symbol(self.kind, 6)
            coder.symbol(self.long, slot)
            coder.number(length - 5 - LENGTH_BASE[slot], LENGTH_EXTRA[slot])
            self.distance(coder, self.any, distance)
            self.seen["longest" if slot == 26 else "long"] += 1
            return length
        for n, name, model in ((4, "four", self.four), (3, "three", self.three)):
            if length >= n and self.fits(model, distance):
                coder.symbol(self.kind, n + 1)
                self.distance(coder, model, distance)
                self.seen[name] += 1
                return n
        return 0

    def encode(self, data):
        """A list of (packed bytes, size of what they expand to), one for each data block."""
        frames, at = [], 0
        for begin in range(0, len(data), FRAME):
            coder, end = Coder(), min(begin + FRAME, len(data))
            while at < end:
                length, distance = self.best(data, at, end) if self.matches else (0, 0)
                step = self.match(coder, length, distance) if length >= 3 else 0
                if step == 0:
                    coder.symbol(self.kind, data[at] >> 6)
                    coder.symbol(self.literals[data[at] >> 6], data[at])
                    self.seen["literal"] += 1
                    step = 1
                for i in range(at, at + step):
                    self.places.setdefault(data[i:i + 3], []).append(i)
                at += step
            frames.append((coder.bytes(), end - begin))
        return frames


def folder(window, files, seen=None, **more):
    """One folder for lzx.cabinet(): files is [(name, bytes)]; seen, a dictionary, is told how often each form came."""
    encoder = Encoder(window, **more)
    frames = encoder.encode(b"".join(data for _, data in files))
    for name, count in encoder.seen.items():
        if seen is not None:
            seen[name] = seen.get(name, 0) + count
    return 2 | 1 << 4 | window << 8, frames, [(name, len(data)) for name, data in files]
