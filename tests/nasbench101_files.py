"""Files of NAS-Bench-101 with few cells, made field by field: the published form, a mirror's."""

from __future__ import annotations

import base64
import gzip
import json
import struct

import numpy as np
from nasbench101_fixtures import C1, C3, MP, inception

from trainfree.spaces.nasbench101.space import GraphCellSpace

SPACE = GraphCellSpace.published()
EPOCHS = (4, 108)
CELLS = [inception(), *(SPACE.specification(SPACE.parse(text)) for text in ("output~0",
         f"{C3}~0+{MP}~0~1+output~1~2", f"{C1}~0+output~0~1"))]  # fmt: skip


def naive_crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = naive_crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(data):
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked(length)) + data + struct.pack("<I", masked(data))


def varint(value):
    digits = []
    while value >= 0x80:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*digits, value])


def evaluation(epoch, seconds, train, validation, test):
    doubles = enumerate((epoch, seconds, train, validation, test), start=1)
    body = b"".join(bytes([field << 3 | 1]) + struct.pack("<d", x) for field, x in doubles)
    path = b"model.ckpt"
    return body + bytes([6 << 3 | 2]) + varint(len(path)) + path


def message(params, evaluations):
    parts = [bytes([1 << 3 | 2]) + varint(len(data)) + data for data in evaluations]
    return b"".join(parts) + bytes([2 << 3]) + varint(params) + b"\x19" + struct.pack("<d", 9.0)


def measured(cell, epochs, repeat):
    """(seconds, train, validation, test) at the end; the seconds tell all apart."""
    correct = [9984 - 100 * cell - 7 * repeat - part for part in (3, 2, 1)]
    return (1000.0 * cell + epochs + repeat / 4, *(count / 9984 for count in correct))


def record(cell, epochs, repeat, changes=()):
    changes = dict(changes)
    spec = CELLS[cell]
    final = measured(cell, epochs, repeat)
    halfway = (final[0] / 2, *(value / 2 for value in final[1:]))
    evaluations = changes.get("evaluations", 3)
    data = [evaluation(0, 0, 0.1, 0.1, 0.1), evaluation(epochs / 2, *halfway)]
    data = [*data, evaluation(epochs, *final)][:evaluations]
    row = {
        "hash": spec.hash_spec(),
        "epochs": epochs,
        "matrix": "".join(map(str, spec.matrix.ravel())),
        "ops": ",".join(spec.ops),
        "metrics": base64.b64encode(message(100 + cell, data)).decode(),
    }
    row |= {key: value for key, value in changes.items() if key in row}
    return json.dumps(list(row.values())).encode()


def all_records():
    # One repeat of everything after the other, as trainings are in no order in the real files.
    return [record(c, e, r) for r in range(3) for e in EPOCHS for c in range(len(CELLS))]


def write_tfrecord(path, records):
    path.write_bytes(b"".join(map(framed, records)))
    return path


def mirror_arrays():
    """A mirror's table of the few cells."""
    specs = sorted(CELLS, key=lambda spec: spec.hash_spec())
    cells = [SPACE.cell(SPACE.index_of_spec(spec)) for spec in specs]
    ops = np.full((len(cells), 5), -1, dtype=np.int8)
    for row, (vertices, _, code) in enumerate(cells):
        ops[row, : vertices - 2] = [code // 3**k % 3 for k in reversed(range(vertices - 2))]
    hashes = [list(bytes.fromhex(spec.hash_spec())) for spec in specs]
    return {
        "hash_md5": np.array(hashes, dtype=np.uint8),
        "n_vertices": np.array([cell[0] for cell in cells], dtype=np.uint8),
        "adj_bits": np.array([cell[1] for cell in cells], dtype=np.uint32),
        "ops": ops,
        "test_acc_108": np.linspace(0.9, 0.93, len(cells), dtype=np.float32),
        "params": np.arange(1, len(cells) + 1, dtype=np.int32),
    }


SAMPLE_HEADER = "index,hash,val_acc_4,val_acc_12,val_acc_36,val_acc_108,training_time_108_s,params"


def write_mirror(folder, sample=None, **changes):
    np.savez(folder / "nb101_108ep.npz", **{**mirror_arrays(), **changes})
    if sample is not None:
        with gzip.open(folder / "nb101_val_20001.csv.gz", "wt") as file:
            file.write("\n".join([SAMPLE_HEADER, *sample]))
    return folder / "nb101_108ep.npz"
