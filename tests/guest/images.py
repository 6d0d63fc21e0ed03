# SPDX-License-Identifier: LGPL-2.1-or-later
"""Memory images in the formats that need no kernel to be written: from raw RAM, as other tools would write them.

`raw` is the file with RAM as it lies in the host, `ranges` [(pa, offset in raw, bytes)] says where which part of it is in the
guest. Nothing here is shared with what reads them.
"""

import struct

PAGE = 4096
AVML_BLOCK = 4096 * 4096
FRAME = 65536
CHUNK = 1 << 20


def ranges_of(memory):
    """Those of a memory.Memory: its RAM lies in one file without the hole below 4 GiB."""
    out, offset = [], 0
    for pa, n in memory.ranges():
        out.append((pa, offset, n))
        offset += n
    return out


def _copy(f, out, offset, n):
    f.seek(offset)
    while n:
        data = f.read(min(n, CHUNK))
        assert data, "raw is shorter than its ranges"
        out.write(data)
        n -= len(data)


def write_raw(raw, ranges, out):
    """The offset is the physical address; what is no RAM is a hole of the file."""
    with open(raw, "rb") as f, open(out, "wb") as o:
        for pa, offset, n in ranges:
            o.seek(pa)
            _copy(f, o, offset, n)


def write_packed(raw, ranges, out):
    """One range after another; returns what --ranges says of it."""
    with open(raw, "rb") as f, open(out, "wb") as o:
        for _, offset, n in ranges:
            _copy(f, o, offset, n)
    return ",".join(f"{pa:x}-{pa + n - 1:x}" for pa, _, n in ranges)


def write_lime(raw, ranges, out, padded=False):
    if padded:
        write_raw(raw, ranges, out)
        return
    with open(raw, "rb") as f, open(out, "wb") as o:
        for pa, offset, n in ranges:
            o.write(struct.pack("<4sIQQQ", b"EMiL", 1, pa, pa + n - 1, 0))
            _copy(f, o, offset, n)


def _crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
        table.append(i)
    return table


_CRC = _crc_table()
_SUMS = {}


def _sum(data):
    """Snappy's masked CRC-32C."""
    if data not in _SUMS:
        crc = 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
        crc ^= 0xFFFFFFFF
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        if any(data):
            return masked
        _SUMS[data] = masked  # of zeros, which memory has most of
    return _SUMS[data]


def _varint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def _snappy():
    """snappy_compress() of the C library; None where it is not installed."""
    import ctypes
    import ctypes.util
    path = ctypes.util.find_library("snappy")
    if not path:
        return None
    lib = ctypes.CDLL(path)

    def compress(data):
        size = ctypes.c_size_t(32 + len(data) + len(data) // 6)
        out = ctypes.create_string_buffer(size.value)
        assert lib.snappy_compress(data, ctypes.c_size_t(len(data)), out, ctypes.byref(size)) == 0
        return out.raw[:size.value]
    return compress


def _literals(data):
    """A snappy block without any compression: one literal."""
    n = len(data) - 1
    return _varint(len(data)) + struct.pack("<BH", 61 << 2, n) + data


def _frame(data, compress):
    packed = compress(data)
    kind = 0 if len(packed) < len(data) - len(data) // 8 else 1
    body = struct.pack("<I", _sum(data)) + (packed if kind == 0 else data)
    return bytes([kind]) + struct.pack("<I", len(body))[:3] + body


def write_avml(raw, ranges, out, version=1):
    """Version 2 leaves out blocks of 16 MiB that are all zeros, as AVML does."""
    if version == 1:
        write_lime(raw, ranges, out)
        return
    compress = _snappy() or _literals
    with open(raw, "rb") as f, open(out, "wb") as o:
        for pa, offset, n in ranges:
            for at in range(0, n, AVML_BLOCK):
                size = min(AVML_BLOCK, n - at)
                f.seek(offset + at)
                data = f.read(size)
                if not any(data):
                    continue
                o.write(struct.pack("<4sIQQQ", b"AVML", 2, pa + at, pa + at + size - 1, 0))
                start = o.tell()
                o.write(b"\xff\x06\x00\x00sNaPpY")
                for i in range(0, size, FRAME):
                    o.write(_frame(data[i:i + FRAME], compress))
                o.write(struct.pack("<Q", o.tell() - start))


def unflatten(source, out):
    """What makedumpfile -R does: puts a flattened dump together."""
    with open(source, "rb") as f, open(out, "wb") as o:
        assert f.read(12) == b"makedumpfile", "not flattened"
        f.seek(4096)
        while True:
            offset, size = struct.unpack(">qq", f.read(16))
            if offset < 0:
                break
            o.seek(offset)
            o.write(f.read(size))
