"""Lengths that files claim and bombs they unpack to: refused before there is room made for them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainfree.benchmarks.hw_nas_bench import read_hw_nas_bench
from trainfree.benchmarks.nasbench101.crc32c import masked_crc32c
from trainfree.benchmarks.nasbench101.mirror import read_mirror
from trainfree.benchmarks.nasbench101.prepared import read_trained_cells
from trainfree.benchmarks.nasbench101.protobuf import WireFormatError, read_model_metrics
from trainfree.errors import SourceError
from trainfree.images.datasets import DATASETS
from trainfree.images.readers import read_images
from trainfree.sources.delivery import Delivery
from trainfree.sources.formats.tables import read_table
from trainfree.spaces import load_space

MINI = load_space("nasbench201_mini")
CIFAR10 = DATASETS["cifar10"]
MIB = 1 << 20
BLOCK = 64 * MIB
TWO_GIGABYTES = 32
"""Blocks. Each is compressed once and repeated, so that a test takes a second."""


def cifar(path: Path) -> Delivery:
    return Delivery("mirror", "cifar10-archive", {"archive": path})


def refused(code: str, *arguments: Path) -> tuple[str, float]:
    """Run code in a process of its own: the SourceError's text, and the peak memory in MiB."""
    program = f"""
import sys
from pathlib import Path
from trainfree.errors import SourceError
try:
    {code}
except SourceError as error:
    print(error)
# Not ru_maxrss: that begins with the memory of the process that started this one.
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    *told, peak = done.stdout.strip().splitlines()
    return "\n".join(told), float(peak)


# Bombs: two gigabytes behind few bytes


def test_a_bzip2_bomb_in_the_nats_archive_takes_no_memory(tmp_path):
    path = tmp_path / "000000.pickle.pbz2"
    path.write_bytes(bz2.compress(bytes(BLOCK)) * TWO_GIGABYTES)
    assert path.stat().st_size < 100_000
    told, peak = refused(
        """from trainfree.benchmarks.nats_bench.archive import read_nats_archive
    from trainfree.sources.delivery import Delivery
    from trainfree.spaces import load_space
    delivery = Delivery("official", "nats-archive", {"archive": Path(sys.argv[1])})
    read_nats_archive(delivery, load_space("nasbench201"))""",
        tmp_path,
    )
    assert "000000.pickle.pbz2" in told
    assert "found more" in told
    assert peak < 400


def tar_bomb(path: Path, name: str) -> Path:
    member = tarfile.TarInfo(name)
    member.size = BLOCK * TWO_GIGABYTES
    path.write_bytes(gzip.compress(member.tobuf()) + gzip.compress(bytes(BLOCK), 6) * TWO_GIGABYTES)
    return path


@pytest.mark.parametrize("name", ["cifar-10-batches-py/test_batch", "cifar-10-batches-py/other"])
def test_a_gzip_bomb_in_the_cifar_archive_takes_no_memory(tmp_path, name):
    """Neither as a member that is wanted nor as one that is passed over."""
    path = tar_bomb(tmp_path / "cifar-10-python.tar.gz", name)
    told, peak = refused(
        """from trainfree.images.readers import read_images
    from trainfree.images.datasets import DATASETS
    from trainfree.sources.delivery import Delivery
    delivery = Delivery("mirror", "cifar10-archive", {"archive": Path(sys.argv[1])})
    read_images(delivery, DATASETS["cifar10"], 0)""",
        path,
    )
    assert "cifar-10-python.tar.gz" in told
    assert "found more" in told
    assert peak < 400


def test_long_names_of_a_tar_archive_are_bounded(tmp_path):
    """The name of a member is read into memory whole, before the member is known."""
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, BLOCK * TWO_GIGABYTES
    path = tmp_path / "some.tar.gz"
    path.write_bytes(gzip.compress(member.tobuf()) + gzip.compress(bytes(BLOCK)))
    with pytest.raises(SourceError, match=r"some\.tar\.gz: .*a member's name takes 2,147,483,648"):
        read_images(cifar(path), CIFAR10, 0)


def test_too_many_members_are_not_followed(tmp_path):
    path = tmp_path / "some.tar"
    with tarfile.open(path, "w") as archive:
        for number in range(60):
            archive.addfile(tarfile.TarInfo(f"cifar-10-batches-py/{number}"))
    with pytest.raises(SourceError, match=r"some\.tar: expected .*at most 50 members, found more"):
        read_images(cifar(path), CIFAR10, 0)


@pytest.mark.parametrize("kind", ["symbolic", "hard", "device", "pipe", "twice"])
def test_members_that_are_no_plain_files_and_doubles_are_named(tmp_path, kind):
    name = "cifar-10-batches-py/data_batch_1"
    types = {
        "symbolic": tarfile.SYMTYPE,
        "hard": tarfile.LNKTYPE,
        "device": tarfile.CHRTYPE,
        "pipe": tarfile.FIFOTYPE,
        "twice": tarfile.REGTYPE,
    }
    member = tarfile.TarInfo(name)
    member.type, member.linkname = types[kind], "/etc/passwd"
    path = tmp_path / "some.tar.gz"
    content = pickle.dumps({b"data": np.zeros((1, 3072), np.uint8), b"labels": [0]}, 2)
    if kind == "twice":
        member.linkname, member.size = "", len(content)
    with tarfile.open(path, "w:gz") as archive:
        for _ in range(2):
            archive.addfile(member, io.BytesIO(content))
    words = "twice" if kind == "twice" else "expected a plain file"
    with pytest.raises(SourceError, match=rf"some\.tar\.gz: {name}.*{words}"):
        read_images(cifar(path), CIFAR10, 0)


def npz_with(path: Path, name: str, header: bytes, content: bytes, others=()) -> Path:
    """Write an archive whose array says what it likes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, values in dict(others).items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, values)
            archive.writestr(f"{other}.npy", buffer.getvalue())
        head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        archive.writestr(f"{name}.npy", head + content)
    return path


@pytest.mark.parametrize(
    "shape",
    ["(1099511627776, 32, 32, 3)", "(-1, 32, 32, 3)", "(7, 32, 32, 3)", "(" * 300],
    ids=["huge", "negative", "wrong", "nested"],
)
def test_shapes_that_an_npz_claims_are_checked_first(tmp_path, shape):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    path = npz_with(tmp_path / "a.npz", "images", header, bytes(5 * 3072), {"labels": np.arange(5)})
    with pytest.raises(SourceError, match=r"a\.npz: expected a NumPy archive"):
        read_images(Delivery("mirror", "npz", {"archive": path}), CIFAR10, 0)


def test_a_zip_bomb_in_an_npz_takes_no_memory(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (699050, 32, 32, 3), }\n"
    path = tmp_path / "a.npz"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("images.npy", "w") as member:
            member.write(head)
            for _ in range(4):
                member.write(bytes(BLOCK))
        archive.writestr("labels.npy", b"")
    told, peak = refused(
        """from trainfree.images.readers import read_images
    from trainfree.images.datasets import DATASETS
    from trainfree.sources.delivery import Delivery
    delivery = Delivery("mirror", "npz", {"archive": Path(sys.argv[1])})
    read_images(delivery, DATASETS["cifar10"], 0)""",
        path,
    )
    assert "images can have 268,435,456 bytes, its header says 2,147,481,600" in told
    assert peak < 400


def test_an_array_that_is_there_twice_is_named(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 32, 32, 3), }\n"
    path = npz_with(tmp_path / "a.npz", "images", header, b"")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("images.npy", b"")
    with pytest.raises(SourceError, match=r"a\.npz: .*images is in the archive twice"):
        read_images(Delivery("mirror", "npz", {"archive": path}), CIFAR10, 0)


def test_an_encrypted_npz_is_named(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((2, 32, 32, 3), np.uint8), labels=np.arange(2))
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(sign)
        while at >= 0:
            content[at + place] |= 1
            at = content.find(sign, at + 1)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.npz: expected a NumPy archive.*encrypted"):
        read_images(Delivery("mirror", "npz", {"archive": path}), CIFAR10, 0)


def test_a_table_that_unpacks_to_gigabytes_is_left(tmp_path):
    path = tmp_path / "table.csv.gz"
    path.write_bytes(gzip.compress(b"index,arch_str\n") + gzip.compress(b"1" * BLOCK) * 16)
    told, peak = refused(
        """from trainfree.benchmarks.nats_bench.topology_table import read_mirror_table
    from trainfree.sources.delivery import Delivery
    from trainfree.spaces import load_space
    delivery = Delivery("mirror", "nb201-table", {"table": Path(sys.argv[1])})
    read_mirror_table(delivery, load_space("nasbench201_mini"))""",
        path,
    )
    assert "table.csv.gz: expected a gzip'ed CSV table" in told
    assert "found more" in told
    assert peak < 400


def test_a_picture_higher_than_its_images_is_not_decoded(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (1024, 10_001)).save(buffer, "PNG")
    path = tmp_path / "p.tgz"
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo("package/test_batch.png")
        member.size = len(buffer.getvalue())
        archive.addfile(member, io.BytesIO(buffer.getvalue()))
    delivery = Delivery("registry", "cifar10-sprites", {"archive": path})
    with pytest.raises(SourceError, match=r"test_batch\.png: expected .*10,000 high, found"):
        read_images(delivery, CIFAR10, 0)


# TFRecord and protocol buffers


def framed(length: int, data: bytes) -> bytes:
    head = struct.pack("<Q", length)
    return head + struct.pack("<I", masked_crc32c(head)) + data


@pytest.mark.parametrize("length", [1 << 50, (1 << 64) - 1, 1 << 20])
def test_a_record_that_claims_more_than_a_record_has_is_refused(tmp_path, length):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(framed(length, b"[]"))
    with pytest.raises(SourceError, match=rf"record 0: claims {length:,} bytes"):
        read_trained_cells(path)


def test_a_record_that_claims_more_than_the_file_has_is_truncated(tmp_path):
    path = tmp_path / "a.tfrecord"
    path.write_bytes(framed(60_000, b"[]"))
    with pytest.raises(SourceError, match="record 0: expected 60000 bytes of data; it is truncat"):
        read_trained_cells(path)


@pytest.mark.parametrize(
    "message", [b"\x0a" + b"\xff" * 9 + b"\x01", b"\x0a" + b"\xff" * 40, b"\xff" * 11, b"\x12\x7f"]
)
def test_lengths_of_protocol_buffers_are_bounded(message):
    with pytest.raises(WireFormatError):
        read_model_metrics(message)


@pytest.mark.parametrize(
    "data",
    [b"[" * 20_000, b'["a", ' + b"9" * 5000 + b"]", b"\xff\xfe", json.dumps([1] * 5).encode()],
    ids=["nested", "digits", "no text", "numbers"],
)
def test_json_of_any_kind_in_a_record_is_named(tmp_path, data):
    path = tmp_path / "a.tfrecord"
    tail = struct.pack("<I", masked_crc32c(data))
    path.write_bytes(framed(len(data), data) + tail)
    with pytest.raises(SourceError, match="record 0: expected a JSON list of five"):
        read_trained_cells(path)


# Other numbers that choose sizes


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n_vertices": np.array([200], np.uint8)}, "n_vertices: expected numbers from 2 to 7"),
        ({"adj_bits": np.array([1 << 31], np.uint32)}, "adj_bits: expected numbers from 0 to"),
        ({"ops": np.full((1, 5), 9, np.int8)}, "ops: expected numbers from -1 to 2"),
        ({"ops": np.full((1, 900), 0, np.int8)}, "operations of 5 vertices"),
        ({"params": np.array([0], np.int32)}, "params: expected numbers from 1"),
        (
            {"test_acc_108": np.array([93.0], np.float32)},
            "test_acc_108: expected .* to 1, found 93",
        ),
        ({"test_acc_108": np.array([np.nan], np.float32)}, "test_acc_108: .*found nan"),
        ({"test_acc_108": np.array([1 + 2j], np.complex64)}, "test_acc_108 should have"),
        ({"hash_md5": np.array([["x"] * 16])}, "hash_md5 should have"),
    ],
)
def test_numbers_of_the_nasbench101_table_are_checked(tmp_path, changes, words):
    arrays = {
        "hash_md5": np.zeros((1, 16), np.uint8),
        "n_vertices": np.array([2], np.uint8),
        "adj_bits": np.array([1], np.uint32),
        "ops": np.full((1, 5), -1, np.int8),
        "test_acc_108": np.array([0.9], np.float32),
        "params": np.array([1], np.int32),
    }
    np.savez(tmp_path / "a.npz", **(arrays | changes))
    with pytest.raises(SourceError, match=rf"a\.npz: .*{words}"):
        read_mirror(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "codes",
    ["(" * 5000, "9" * 5000, "__import__('os')", "(0,1,2,3,4)"],
    ids=["nested", "digits", "code", "five"],
)
def test_codes_of_the_hardware_table_are_six_digits(tmp_path, codes):
    header = (
        "net,edgegpu_latency,raspi4_latency,edgetpu_latency,pixel3_latency,eyeriss_latency,"
        "fpga_latency,edgegpu_energy,eyeriss_energy,fpga_energy"
    )
    (tmp_path / "hw.csv").write_text(f'{header}\n"{codes}"{",1" * 9}\n')
    with pytest.raises(SourceError, match=r"hw\.csv: column 'net': ") as raised:
        read_hw_nas_bench(Delivery("mirror", "hw", {"table": tmp_path / "hw.csv"}), MINI)
    assert len(str(raised.value)) < 500


def test_a_table_with_more_rows_than_architectures_is_refused(tmp_path):
    rows = ["index,hash,val_acc_4,val_acc_12", *(["1,a,0.5,0.5"] * 10)]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    columns = {"index": int, "hash": str, "val_acc_4": float}
    assert len(read_table(tmp_path / "t.csv", columns, 10)) == 10
    with pytest.raises(SourceError, match=r"t\.csv: expected at most 9 rows, found more"):
        read_table(tmp_path / "t.csv", columns, 9)


def test_a_column_that_is_there_twice_is_named(tmp_path):
    (tmp_path / "t.csv").write_text('index,val,"val"\n1,2,3\n')
    with pytest.raises(SourceError, match=r"t\.csv: expected one column 'val', found 2"):
        read_table(tmp_path / "t.csv", {"index": int, "val": float}, 9)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["0.5,a,0.1"], "column 'index': line 2: expected a whole number, found .*0.5"),
        ([",a,0.1"], "column 'index': line 2: expected a whole number, found .*nan"),
        (["1e300,a,0.1"], "column 'index': line 2"),
        (["1,,0.1"], "column 'hash': line 2: expected a string, found nan"),
        (["1,a,0.1", "2,b,1+2j"], "cannot be read"),
        (["1,a,many"], "cannot be read"),
    ],
)
def test_columns_of_a_table_hold_what_they_should(tmp_path, rows, words):
    (tmp_path / "t.csv").write_text("\n".join(["index,hash,val", *rows]))
    with pytest.raises(SourceError, match=rf"t\.csv: .*{words}"):
        read_table(tmp_path / "t.csv", {"index": int, "hash": str, "val": float}, 9)
