import gzip
import hashlib
import struct

import pytest
import torch
from atelier import data as room
from atelier.data import digits
from atelier.data.catalogue import Dataset
from atelier.data.digits import Damaged, font_digits, load_digits
from atelier.errors import UserError

COUNT = 30
SHAPES = {"images": (COUNT, 28, 28), "labels": (COUNT,)}


def idx(kind: str, seed: int = 0) -> bytes:
    """A small file in MNIST's format."""
    generator = torch.Generator().manual_seed(seed)
    shape = SHAPES[kind]
    high = 256 if kind == "images" else 10
    body = torch.randint(high, shape, dtype=torch.uint8, generator=generator)
    return struct.pack(f">{1 + len(shape)}i", 0x0800 + len(shape), *shape) + body.numpy().tobytes()


@pytest.fixture
def world(tmp_path, monkeypatch, server):
    """A data folder, and a mirror that serves tiny MNIST files; `fetched` are the names that were asked of it."""
    url, answers = server
    monkeypatch.setattr(digits, "data_dirs", lambda: [tmp_path / "data"])
    monkeypatch.setattr(digits, "cache_dir", lambda: tmp_path / "data")
    monkeypatch.setattr(digits, "SPLITS", {"train": ("train", COUNT), "test": ("t10k", COUNT)})
    files = {f"{s}-{k}-idx{n}-ubyte": idx(k) for s in ("train", "t10k") for k, n in (("images", 3), ("labels", 1))}
    packed = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in files.items()}
    answers |= {f"/good/{name}": [(200, len(content), content)] for name, content in packed.items()}

    def sums(contents):
        return {name.removesuffix(".gz"): hashlib.md5(content).hexdigest() for name, content in contents.items()}

    mirrors = (f"{url}/broken/", f"{url}/good/")
    dataset = Dataset("MNIST", folder="MNIST", mirrors=mirrors, packed_md5=sums(packed), plain_md5=sums(files))
    monkeypatch.setitem(digits.DATASETS, "mnist", dataset)
    digits._read.cache_clear()

    class World:
        raw = tmp_path / "data" / "MNIST" / "raw"

        @property
        def fetched(self):
            return [path.removeprefix("/good/") for path in answers["asked"] if path.startswith("/good/")]

        def put(self, name, content):
            self.raw.mkdir(parents=True, exist_ok=True)
            (self.raw / name).write_bytes(content)

    world = World()
    world.files, world.packed, world.answers = files, packed, answers
    yield world
    digits._read.cache_clear()


def test_plain_files_are_used_as_they_lie(world):
    for name, data in world.files.items():
        world.put(name, data)
    found = load_digits("mnist", "train")
    assert found.images.shape == (COUNT, 28, 28)
    assert found.images.dtype == torch.uint8
    assert found.labels.dtype == torch.int64
    assert found.images.flatten()[0] == world.files["train-images-idx3-ubyte"][16]
    assert not found.stand_in
    assert found.note == ""
    assert world.fetched == []


def test_packed_files_are_used_as_they_lie(world):
    for name, data in world.packed.items():
        world.put(name, data)
    assert len(load_digits("mnist", "test").images) == COUNT
    assert world.fetched == []


def test_absent_files_are_fetched_and_kept(world):
    found = load_digits("mnist", "train")
    assert world.fetched == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert torch.equal(load_digits("mnist", "train").images, found.images)
    assert len(world.fetched) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: b"<html>not found</html>",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data + b"x",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_damaged_files_are_never_used_but_fetched_again(world, spoil, packed):
    kept = world.packed if packed else world.files
    for name, data in kept.items():
        world.put(name, spoil(data) if "train-images" in name else data)
    found = load_digits("mnist", "train")
    assert world.fetched == ["train-images-idx3-ubyte.gz"]
    assert "was damaged" in found.note
    assert found.images.numpy().tobytes() == world.files["train-images-idx3-ubyte"][16:]


def test_a_damaged_download_is_never_kept(world):
    world.answers["/good/train-images-idx3-ubyte.gz"] = [(200, 4, b"half")]
    found = load_digits("mnist", "train", stand_in_size=20)
    assert found.stand_in
    assert "wrong checksum" in found.note
    assert not list(world.raw.glob("*"))


def test_offline_and_absent_gives_the_stand_in_named_as_such_until_the_files_arrive(world, monkeypatch):
    offline = Dataset("MNIST", mirrors=("http://127.0.0.1:9/",), packed_md5=digits.DATASETS["mnist"].packed_md5)
    online = digits.DATASETS["mnist"]
    monkeypatch.setitem(digits.DATASETS, "mnist", offline)
    found = load_digits("mnist", "train", stand_in_size=30)
    assert found.stand_in
    assert "stand-in" in found.title
    assert "no connection" in found.note
    assert "a moment ago" in load_digits("mnist", "train", stand_in_size=30).note
    monkeypatch.setitem(digits.DATASETS, "mnist", online)
    assert load_digits("mnist", "train", download=False, stand_in_size=30).stand_in
    for name, content in world.files.items():
        world.put(name, content)
    found = load_digits("mnist", "train", stand_in_size=30)
    assert not found.stand_in
    assert load_digits("mnist", "train").images is found.images  # one copy for all visitors


def test_odd_headers_are_damage():
    good = idx("images")
    for data in (
        b"\0\0\x08\x01" + good[4:],
        good[:4] + b"\0\0\0\x1f" + good[8:],
        good[:16] + bytes(len(good) - 16),
    ):
        with pytest.raises(Damaged):
            digits._parse(data, COUNT, True)
    with pytest.raises(Damaged, match="labels above 9"):
        digits._parse(idx("labels")[:-1] + b"\x0a", COUNT, False)


def test_font_digits_are_deterministic_labelled_and_varied():
    a, b, c = (font_digits.__wrapped__(200, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, c.images)
    assert torch.bincount(a.labels).tolist() == [20] * 10
    assert a.stand_in
    ink = a.images.float().mean((1, 2))
    assert float(ink.min()) > 5
    assert float(ink.max()) < 160
    edge = a.images[:, [0, -1]].float().mean() + a.images[:, :, [0, -1]].float().mean()
    assert float(edge) < 20
    eights = a.images[a.labels == 8].float()
    assert float(torch.pdist(eights.flatten(1)).min()) > 100


def test_font_digits_can_be_told_apart():
    """Nearest class mean is far from chance, so the labels belong to the pictures."""
    train, test = font_digits(1000, seed=1), font_digits(200, seed=2)
    means = torch.stack([train.images[train.labels == k].float().mean(0) for k in range(10)]).flatten(1)
    nearest = torch.cdist(test.images.float().flatten(1), means).argmin(1)
    assert float((nearest == test.labels).float().mean()) > 0.4


def test_names_and_titles_come_without_torch(without_torch):
    without_torch("from atelier import data; assert data.DATASETS['mnist'].title; assert data.PICTURES['mona_lisa']")
    assert {"mnist", "fashion", "kmnist", "fonts"} == set(room.DATASETS)
    assert all(len(dataset.classes) == 10 for dataset in room.DATASETS.values())


def test_refuses_unknown_names_splits_and_sizes():
    with pytest.raises(UserError, match="choose one of mnist"):
        load_digits("cifar")
    with pytest.raises(UserError, match="train or test"):
        load_digits("mnist", "validation")
    with pytest.raises(UserError, match="number of font digits"):
        font_digits(0)


@pytest.mark.real_data
def test_the_real_mnist():
    digits_found = load_digits("mnist", "train", download=False)
    if digits_found.stand_in:
        pytest.skip("no MNIST in ATELIER_DATA or data/")
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert torch.bincount(digits_found.labels).tolist() == counts
    assert float(digits_found.images.float().mean()) == pytest.approx(33.318, abs=0.01)
