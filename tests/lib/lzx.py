# SPDX-License-Identifier: Apache-2.0
"""Makes cabinets with LZX folders for tests: all three kinds of blocks, repeated distances, call translation. It can also
write what no compressor would, to see it refused. Specification: [MS-CAB], [MS-PATCH] 2.2, the LZX paper of the Cabinet SDK."""
import heapq
import struct

FRAME = 32768
VERBATIM, ALIGNED, PLAIN = 1, 2, 3
SLOTS = {15: 30, 16: 32, 17: 34, 18: 36, 19: 38, 20: 42, 21: 50}
EXTRA = [0, 0] + [min(i // 2 - 1, 17) for i in range(2, 50)]
BASE = [sum(1 << b for b in EXTRA[:i]) for i in range(50)]
LITERALS, LENGTHS, SHORTEST, LONGEST = 256, 249, 2, 257


def slot_of(formatted):
    return max(s for s in range(50) if BASE[s] <= formatted) if formatted < 1 << 18 else 34 + (formatted >> 17)


def code_lengths(counts, limit):
    """Of a Huffman code that is complete: it has two symbols or more, or none at all."""
    counts = list(counts)
    used = [i for i, n in enumerate(counts) if n > 0]
    if not used:
        return [0] * len(counts)
    if len(used) == 1:
        counts[1 if used[0] == 0 else 0] = 1
    while True:
        heap = [(n, i, None) for i, n in enumerate(counts) if n > 0]
        heapq.heapify(heap)
        number = len(counts)
        while len(heap) > 1:
            x, y = heapq.heappop(heap), heapq.heappop(heap)
            heapq.heappush(heap, (x[0] + y[0], number, (x, y)))
            number += 1
        lengths, todo = [0] * len(counts), [(heap[0], 0)]
        while todo:
            (_, i, pair), depth = todo.pop()
            if pair is None:
                lengths[i] = depth
            else:
                todo += [(pair[0], depth + 1), (pair[1], depth + 1)]
        if max(lengths) <= limit:
            return lengths
        counts = [(n + 1) // 2 for n in counts]


def codes(lengths):
    """Symbol to (bits, width), the shorter first, then by symbol."""
    ret, code, before = {}, 0, 0
    for width, symbol in sorted((n, i) for i, n in enumerate(lengths) if n > 0):
        code <<= width - before
        ret[symbol], before = (code, width), width
        code += 1
    return ret


class Bits:
    """Words of 16 bits, the low byte first, filled from the highest bit."""

    def __init__(self):
        self.out, self.value, self.width = bytearray(), 0, 0

    def put(self, value, width):
        self.value, self.width = self.value << width | value, self.width + width
        while self.width >= 16:
            self.width -= 16
            self.out += struct.pack("<H", self.value >> self.width)
            self.value &= (1 << self.width) - 1

    def align(self):
        if self.width > 0:
            self.put(0, 16 - self.width)

    def take(self):
        out, self.out = bytes(self.out), bytearray()
        return out


def translate(plain, size):
    """Targets of calls from relative to absolute, frame by frame; the last ten bytes of a frame stay."""
    out, done = bytearray(plain), 0
    for frame in range(0, len(out), FRAME):
        end, at = min(frame + FRAME, len(out)) - 10, frame
        while size > 0 and at < end:
            if out[at] != 0xE8:
                at += 1
                continue
            (target,) = struct.unpack_from("<i", out, at + 1)
            if -at <= target < size:
                struct.pack_into("<i", out, at + 1, target + at if target < size - at else target - size)
                done += 1
            at += 5
    return bytes(out), done


class Encoder:
    """bend(tree, lengths): the lengths to be written instead, tree is "pre", "main", "length" or "aligned".
    lie(token): the (slot, extra, length) to be written instead of a match."""

    def __init__(self, window, kinds, sizes, calls=0, bend=None, lie=None, stated=None, distances=None):
        self.window, self.kinds, self.sizes, self.calls = window, kinds, sizes, calls
        self.bend, self.lie, self.stated, self.distances = bend, lie, stated, distances
        self.main, self.long = [0] * (LITERALS + 8 * SLOTS[window]), [0] * LENGTHS
        self.recent, self.bits, self.frames = [1, 1, 1], Bits(), []
        self.seen = dict.fromkeys(("literal", "match", "r0", "r1", "r2", "long", "aligned", "plain", "call"), 0)
        self.near = {}

    # --- matches
    def length_at(self, distance, at, end):
        data, n = self.data, 0
        while n + 32 <= end - at and data[at + n:at + n + 32] == data[at + n - distance:at + n - distance + 32]:
            n += 32
        while n < end - at and data[at + n] == data[at + n - distance]:
            n += 1
        return n

    def best(self, at, end):
        """(length, distance) of the longest match; a repeated distance is taken when it is nearly as long."""
        found, end = (0, 0), min(end, at + LONGEST)
        for before in self.near.get(self.data[at:at + 3], ()):
            if 0 < at - before <= (1 << self.window) - 3:
                found = max(found, (self.length_at(at - before, at, end), at - before))
        two = self.data[at:at + 2]
        for distance in self.recent:
            same = distance <= at and self.data[at - distance:at - distance + 2] == two
            n = self.length_at(distance, at, end) if same else 0
            if n >= 2 and n + 2 > found[0]:
                found = (n, distance)
        return found

    def remember(self, begin, end):
        for at in range(begin, end if end - begin < 64 else begin + 8):
            places = self.near.setdefault(self.data[at:at + 3], [])
            places.append(at)
            del places[:-6]

    def match(self, distance, length):
        recent = self.recent
        if distance in recent:
            i = recent.index(distance)
            recent[0], recent[i] = recent[i], recent[0]
            token = (i, 0, length)
            self.seen["r%d" % i] += 1
        else:
            slot = slot_of(distance + 2)
            token = (slot, distance + 2 - BASE[slot], length)
            recent[:] = [distance] + recent[:2]
        self.seen["match"] += 1
        self.seen["long"] += length >= 9
        return self.lie(token) if self.lie else token

    def tokens(self, begin, end):
        """Literals as numbers, matches as (slot, extra, length); none crosses the end of a frame."""
        ret, at = [], begin
        while at < end:
            length, distance = self.best(at, min(end, at // FRAME * FRAME + FRAME))
            if length >= 3 or (length == 2 and distance in self.recent):
                ret.append((at, self.match(distance, length)))
            else:
                ret.append((at, self.data[at]))
                self.seen["literal"] += 1
                length = 1
            self.remember(at, at + length)
            at += length
        return ret

    # --- trees
    def put_lengths(self, tree, before, now):
        """A range of lengths as differences to those of the block before, by a code of its own."""
        now, items, i = (self.bend(tree, list(now)) if self.bend else now), [], 0
        while i < len(now):
            run = 1
            while i + run < len(now) and now[i + run] == now[i] and run < 51:
                run += 1
            if now[i] == 0 and run >= 20:
                items.append((18, run - 20, 5, None))
            elif now[i] == 0 and run >= 4:
                run = min(run, 19)
                items.append((17, run - 4, 4, None))
            elif run >= 4:
                run = min(run, 5)
                items.append((19, run - 4, 1, (before[i] - now[i]) % 17))
            else:
                run = 1
                items.append(((before[i] - now[i]) % 17, 0, 0, None))
            i += run
        counts = [0] * 20
        for symbol, _, _, then in items:
            counts[symbol] += 1
            if then is not None:
                counts[then] += 1
        lengths = code_lengths(counts, 15)
        code = codes(lengths)
        for n in self.bend("pre", list(lengths)) if self.bend else lengths:
            self.bits.put(n, 4)
        for symbol, extra, width, then in items:
            self.bits.put(*code[symbol])
            self.bits.put(extra, width)
            if then is not None:
                self.bits.put(*code[then])

    def put_trees(self, kind, tokens):
        main, long, low = [0] * len(self.main), [0] * LENGTHS, [1] * 8
        for _, t in tokens:
            if isinstance(t, int):
                main[t] += 1
                continue
            slot, extra, length = t
            main[LITERALS + 8 * slot + min(length - SHORTEST, 7)] += 1
            if length - SHORTEST >= 7:
                long[length - SHORTEST - 7] += 1
            if EXTRA[slot] >= 3:
                low[extra & 7] += 1
        main, long, low = code_lengths(main, 16), code_lengths(long, 16), code_lengths(low, 7)
        if kind == ALIGNED:
            for n in self.bend("aligned", list(low)) if self.bend else low:
                self.bits.put(n, 3)
        self.put_lengths("main", self.main[:LITERALS], main[:LITERALS])
        self.put_lengths("main", self.main[LITERALS:], main[LITERALS:])
        self.put_lengths("length", self.long, long)
        self.main, self.long = main, long
        return codes(main), codes(long), codes(low)

    # --- blocks
    def close_frame(self, at):
        if at % FRAME == 0 or at == len(self.data):
            self.bits.align()
            self.frames.append((self.bits.take(), (at - 1) % FRAME + 1))

    def packed_block(self, kind, begin, end):
        tokens = self.tokens(begin, end)
        main, long, low = self.put_trees(kind, tokens)
        bits = self.bits
        for i, (_, t) in enumerate(tokens):
            if isinstance(t, int):
                bits.put(*main[t])
            else:
                slot, extra, length = t
                bits.put(*main[LITERALS + 8 * slot + min(length - SHORTEST, 7)])
                if length - SHORTEST >= 7:
                    bits.put(*long[length - SHORTEST - 7])
                width = EXTRA[slot]
                if kind == ALIGNED and width >= 3:
                    bits.put(extra >> 3, width - 3)
                    bits.put(*low[extra & 7])
                    self.seen["aligned"] += 1
                else:
                    bits.put(extra, width)
            self.close_frame(tokens[i + 1][0] if i + 1 < len(tokens) else end)

    def plain_block(self, begin, end):
        """At least one bit of padding, three distances, bytes, and one more if they are odd."""
        if self.bits.width == 0:
            self.bits.put(0, 16)
        self.bits.align()
        self.bits.out += struct.pack("<3I", *(self.distances or self.recent))
        at = begin
        while at < end:
            stop = min(end, at // FRAME * FRAME + FRAME)
            self.bits.out += self.data[at:stop]
            at = stop
            if at < end:
                self.close_frame(at)
        if (end - begin) % 2 == 1:
            self.bits.out.append(0)
        self.close_frame(end)
        self.remember(begin, end)
        self.seen["plain"] += 1

    def encode(self, plain):
        """A list of (packed bytes, size of what they expand to), one for each data block."""
        self.data, self.seen["call"] = translate(plain, self.calls)
        self.bits.put(1 if self.calls else 0, 1)
        if self.calls:
            self.bits.put(self.calls >> 16, 16)
            self.bits.put(self.calls & 0xFFFF, 16)
        begin, number = 0, 0
        while begin < len(plain):
            kind = self.kinds[number % len(self.kinds)]
            end = min(begin + self.sizes[number % len(self.sizes)], len(plain))
            self.bits.put(kind, 3)
            self.bits.put(end - begin if self.stated is None else self.stated, 24)
            if kind == PLAIN:
                self.plain_block(begin, end)
            else:
                self.packed_block(kind, begin, end)
            begin, number = end, number + 1
        return self.frames


def checksum(data, total=0):
    words = len(data) // 4
    for word in struct.unpack("<%dI" % words, data[:4 * words]):
        total ^= word
    return total ^ int.from_bytes(data[4 * words:], "big")


def cabinet(folders):
    """folders: (compression word, [(packed, size)], [(name, size)]); returns the bytes of the file."""
    names, data, table = b"", b"", b""
    for number, (_, _, files) in enumerate(folders):
        at = 0
        for name, size in files:
            names += struct.pack("<IIHHHH", size, at, number, 0x5A21, 0x6000, 0x20) + name.encode() + b"\0"
            at += size
    start = 36 + 8 * len(folders)
    for kind, frames, _ in folders:
        table += struct.pack("<IHH", start + len(names) + len(data), len(frames), kind)
        for packed, size in frames:
            head = struct.pack("<HH", len(packed), size)
            data += struct.pack("<I", checksum(head, checksum(packed))) + head + packed
    count = sum(len(files) for _, _, files in folders)
    head = struct.pack("<4sIIIIIBBHHHHH", b"MSCF", 0, start + len(names) + len(data), 0, start, 0, 3, 1, len(folders), count, 0, 1, 0)
    return head + table + names + data


def folder(window, files, kinds=(VERBATIM,), sizes=(FRAME,), calls=0, seen=None, **more):
    """One folder for cabinet(): files is [(name, bytes)]; seen, a dictionary, is told how often each form came."""
    encoder = Encoder(window, kinds, sizes, calls, **more)
    frames = encoder.encode(b"".join(data for _, data in files))
    for name, count in encoder.seen.items():
        if seen is not None:
            seen[name] = seen.get(name, 0) + count
    return 3 | window << 8, frames, [(name, len(data)) for name, data in files]
