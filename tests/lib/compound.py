# SPDX-License-Identifier: Apache-2.0
"""Compound files ([MS-CFB], version 3), read and written apart from ours.

    compound.read(data) -> {"Macros/VBA/dir": bytes, ...}    compound.write({...}) -> bytes
"""
import struct

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
SECTOR, MINI, CUTOFF = 512, 64, 4096


def order(name):
    """[MS-CFB] 2.6.4: shorter names first, then by upper-case code units."""
    return len(name.encode("utf-16-le")), name.upper().encode("utf-16-be")


def read(data):
    def sector(i):
        return data[(i + 1) * size:(i + 2) * size]

    def numbers(block):
        return list(struct.unpack("<%dI" % (len(block) // 4), block))

    def chain(table, start, get):
        out, seen = [], 0
        while start not in (END, FREE):
            out.append(get(start))
            start, seen = table[start], seen + 1
            if seen > len(table):
                raise ValueError("a circle in a chain")
        return b"".join(out)

    if data[:8] != bytes.fromhex("d0cf11e0a1b11ae1"):
        raise ValueError("no compound file")
    size = 1 << struct.unpack_from("<H", data, 30)[0]
    where = numbers(data[76:512])
    more, count = struct.unpack_from("<II", data, 68)
    while more not in (END, FREE) and count > 0:
        block = numbers(sector(more))
        where, more, count = where + block[:-1], block[-1], count - 1
    fat = sum((numbers(sector(i)) for i in where if i != FREE), [])
    directory = chain(fat, struct.unpack_from("<I", data, 48)[0], sector)
    mini = numbers(chain(fat, struct.unpack_from("<I", data, 60)[0], sector))
    entries = [directory[i:i + 128] for i in range(0, len(directory), 128)]
    small = chain(fat, struct.unpack_from("<I", entries[0], 116)[0], sector)
    streams = {}

    def walk(index, path):
        if index == FREE:
            return
        e = entries[index]
        left, right, child = struct.unpack_from("<III", e, 68)
        start, length = struct.unpack_from("<II", e, 116)
        walk(left, path)
        name = path + e[:struct.unpack_from("<H", e, 64)[0] - 2].decode("utf-16-le")
        if e[66] == 1:
            walk(child, name + "/")
        elif length < CUTOFF:
            streams[name] = chain(mini, start, lambda i: small[i * MINI:(i + 1) * MINI])[:length] if length else b""
        else:
            streams[name] = chain(fat, start, sector)[:length]
        walk(right, path)

    walk(struct.unpack_from("<I", entries[0], 76)[0], "")
    return streams


def write(streams, created=0):
    """created: the root's time of creation, which Excel writes though it should be zero."""
    names, children, contents = ["Root Entry"], {0: []}, {}
    index = {"": 0}
    for path, content in streams.items():
        parent, at = "", 0
        for i, part in enumerate(path.split("/")):
            at = (parent + "/" + part).lstrip("/")
            if at not in index:
                index[at] = len(names)
                children[index[parent]].append(len(names))
                names.append(part)
                if i < path.count("/"):
                    children[index[at]] = []
            parent = at
        contents[index[path]] = content
    sectors, fat, small, mini = [], [], b"", []

    def put(content):
        first = len(sectors)
        for i in range(0, len(content), SECTOR):
            sectors.append(content[i:i + SECTOR].ljust(SECTOR, b"\0"))
            fat.append(len(sectors))
        if first == len(sectors):
            return END
        fat[-1] = END
        return first

    place = {}
    for i, content in contents.items():
        if len(content) >= CUTOFF:
            place[i] = put(content)
            continue
        place[i] = len(mini) if content else END
        for at in range(0, len(content), MINI):
            small += content[at:at + MINI].ljust(MINI, b"\0")
            mini.append(len(mini) + 1)
        if content:
            mini[-1] = END
    links = {}

    def tree(members):
        """The middle one on top, all black."""
        if not members:
            return FREE
        middle = len(members) // 2
        links[members[middle]] = tree(members[:middle]), tree(members[middle + 1:])
        return members[middle]

    top = {i: tree(sorted(list_, key=lambda c: order(names[c]))) for i, list_ in children.items()}
    small_at = put(small)
    mini_at = put(struct.pack("<%dI" % len(mini), *mini).ljust((len(mini) * 4 + SECTOR - 1) // SECTOR * SECTOR, b"\xff"))
    directory = b""
    for i, name in enumerate(names):
        wide = name.encode("utf-16-le") + b"\0\0"
        left, right = links.get(i, (FREE, FREE))
        kind = 5 if i == 0 else 1 if i in children else 2
        start, length = (small_at, len(small)) if i == 0 else (0, 0) if kind == 1 else (place[i], len(contents[i]))
        directory += wide.ljust(64, b"\0") + struct.pack("<HBBIII", len(wide), kind, 1, left, right, top.get(i, FREE))
        directory += bytes(20) + struct.pack("<QQ", created if i == 0 else 0, 0) + struct.pack("<IQ", start, length)
    while len(directory) % SECTOR:
        directory += bytes(68) + struct.pack("<III", FREE, FREE, FREE) + bytes(48)
    directory_at = put(directory)
    count = 1
    while count * (SECTOR // 4) < len(fat) + count:
        count += 1
    tables = list(range(len(sectors), len(sectors) + count))
    fat += [FAT] * count
    fat += [FREE] * (count * (SECTOR // 4) - len(fat))
    body = b"".join(sectors) + struct.pack("<%dI" % len(fat), *fat)
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + struct.pack("<HHHHH6x9I", 0x3e, 3, 0xfffe, 9, 6, 0, count, directory_at, 0,
                                                                      CUTOFF, mini_at, (len(mini) * 4 + SECTOR - 1) // SECTOR, END, 0)
    return head + struct.pack("<109I", *(tables + [FREE] * (109 - count))) + body
