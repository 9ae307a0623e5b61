"""Fashion-MNIST from its four IDX files: found, downloaded, divided; damaged files are named."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import threading
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from remap_ray.errors import DataError
from remap_ray.training import datasets, mnist_family
from remap_ray.training.download import fetch
from remap_ray.training.mnist_family import (
    FASHION,
    FILES,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
)
from remap_ray.training.places import Origin, Places

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def idx_file(array):
    """Pack uint8 values as the official files are: magic, big-endian sizes, bytes, gzip."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def small_files(train=120, test=20):
    """Make the contents of the four files, with few images and all ten classes."""
    rng = np.random.default_rng(0)
    files = {}
    for images, labels, count in (
        (TRAIN_IMAGES, TRAIN_LABELS, train),
        (TEST_IMAGES, TEST_LABELS, test),
    ):
        files[images] = idx_file(rng.integers(0, 256, (count, 28, 28), np.uint8))
        files[labels] = idx_file((np.arange(count) % 10).astype(np.uint8))
    return files


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "given", small_files())


@dataclass
class Site:
    """A web site that runs on this machine, and what it does wrong."""

    address: str
    files: dict[str, bytes] = field(default_factory=small_files)
    cut: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def origin(self):
        sums = {name: hashlib.sha256(content).hexdigest() for name, content in self.files.items()}
        return Origin(self.address, sums)


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.lstrip("/")
            site.asked.append(name)
            if name not in site.files:
                self.send_error(404)
                return
            content = site.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if name in site.silent:
                site.over.wait()
            elif name in site.cut:
                self.wfile.write(content[: len(content) // 2])
            else:
                self.wfile.write(content)

        def log_message(self, *args):
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site = Site(f"http://127.0.0.1:{server.server_port}/")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        site.over.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def places(tmp_path):
    return Places((tmp_path / "installed",), tmp_path / "cache" / "fashion-mnist")


def test_the_four_files_in_a_given_directory_give_three_parts(folder):
    data_set = datasets.load("fashion-mnist", directory=folder)
    assert data_set.name == "fashion-mnist"
    assert data_set.input_shape == (1, 28, 28)
    assert data_set.class_names[9] == "Ankle boot"
    assert data_set.classes == 10
    parts = (data_set.train, data_set.validation, data_set.test)
    assert [len(part) for part in parts] == [100, 20, 20]
    for part in parts:
        assert part.images.dtype == np.uint8
        assert part.images.flags.c_contiguous
        assert part.images.flags.writeable
        assert np.bincount(part.labels).tolist() == [len(part) // 10] * 10


def test_the_parts_hold_the_images_of_the_files_with_their_labels(folder):
    images = np.frombuffer(gzip.decompress((folder / TRAIN_IMAGES).read_bytes())[16:], np.uint8)
    images = images.reshape(120, 28, 28)
    of = {image.tobytes(): index % 10 for index, image in enumerate(images)}
    data_set = datasets.load("fashion-mnist", directory=folder)
    seen = {}
    for part in (data_set.train, data_set.validation):
        for image, label in zip(part.images, part.labels, strict=True):
            seen[image.tobytes()] = int(label)
    assert seen == of


def test_the_source_of_a_given_directory_loads_the_same_again(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    first = datasets.load("given", seed=5)
    assert first.source == str(folder)
    again = datasets.load(first.source, seed=5)
    assert again.name == "given"
    assert datasets.fingerprint(again) == datasets.fingerprint(first)


def test_the_environment_names_a_place_to_look_first(folder, tmp_path, monkeypatch):
    folder.rename(tmp_path / "fashion-mnist")
    monkeypatch.setenv("REMAP_DATA", str(tmp_path))
    data_set = datasets.load("fashion-mnist")
    assert len(data_set.test) == 20
    assert data_set.source == "fashion-mnist"


def test_without_the_environment_debians_folder_and_the_users_cache_remain(monkeypatch, tmp_path):
    monkeypatch.delenv("REMAP_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    places = Places.of(FASHION.name, *FASHION.packaged)
    assert places.installed == (DEBIAN,)
    assert places.cache == tmp_path / "remap" / "fashion-mnist"


@pytest.mark.slow
@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
@pytest.mark.promise("DATA-1", "DATA-3")
def test_debians_package_gives_the_official_parts():
    data_set = datasets.load("fashion-mnist", directory=DEBIAN, seed=1)
    for part, count in ((data_set.train, 50_000), (data_set.validation, 10_000)):
        assert part.images.shape == (count, 1, 28, 28)
        assert part.images.dtype == np.uint8
        assert np.bincount(part.labels).tolist() == [count // 10] * 10
    assert data_set.test.images.shape == (10_000, 1, 28, 28)
    assert data_set.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    assert datasets.fingerprint(data_set) != datasets.fingerprint(
        datasets.load("fashion-mnist", directory=DEBIAN, seed=2)
    )


def test_a_folder_without_all_four_files_names_what_is_missing(folder):
    (folder / TEST_IMAGES).unlink()
    with pytest.raises(DataError, match=rf"lacks {TEST_IMAGES} .*apt install") as caught:
        datasets.load("fashion-mnist", directory=folder)
    assert caught.value.path == folder / TEST_IMAGES
    with pytest.raises(DataError, match=TEST_IMAGES):
        datasets.load(str(folder))


def _cut_gzip(content):
    return content[:-20]


def _flip(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


def _short(content):
    return gzip.compress(gzip.decompress(content)[:-1])


def _long(content):
    return gzip.compress(gzip.decompress(content) + b"\0")


def _headless(content):
    return gzip.compress(gzip.decompress(content)[:6])


def _floats(content):
    return gzip.compress(b"\0\0\x0d" + gzip.decompress(content)[3:])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        _cut_gzip,
        _flip,
        _short,
        _long,
        _headless,
        _floats,
        gzip.decompress,
        lambda content: b"",
        lambda content: gzip.compress(b""),
        lambda content: b"<html>not found</html>",
    ],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.promise("DATA-5")
def test_a_damaged_file_is_named_with_a_way_out(folder, name, damage):
    path = folder / name
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match="put the official file there") as caught:
        datasets.load("fashion-mnist", directory=folder)
    assert caught.value.path == path
    assert str(path) in str(caught.value)


def test_images_and_labels_in_each_others_place_are_refused(folder):
    (folder / TEST_IMAGES).write_bytes((folder / TEST_LABELS).read_bytes())
    with pytest.raises(DataError, match=r"no IDX file of 3-dimensional bytes.*00000801"):
        datasets.load("fashion-mnist", directory=folder)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        (TRAIN_LABELS, np.zeros(119, np.uint8), "120 images and .* 119 labels"),
        (TRAIN_LABELS, np.full(120, 10, np.uint8), "label 10, the last class is 9"),
        (TRAIN_LABELS, np.zeros(120, np.uint8), "'Trouser' .* has 0 images"),
        (TEST_IMAGES, np.zeros((20, 8, 8), np.uint8), "differ in size"),
    ],
)
def test_files_that_do_not_fit_each_other_are_refused(folder, name, array, words):
    (folder / name).write_bytes(idx_file(array))
    with pytest.raises(DataError, match=words):
        datasets.load("fashion-mnist", directory=folder)


def test_empty_files_are_refused(tmp_path):
    folder = write(tmp_path / "empty", small_files(train=0, test=0))
    with pytest.raises(DataError, match="0 images"):
        datasets.load("fashion-mnist", directory=folder)


def test_another_set_of_the_family_under_the_same_names_is_noticed(tmp_path):
    labels = (np.arange(60_000) % 10).astype(np.uint8)
    folder = write(
        tmp_path / "mnist",
        {
            **small_files(),
            TRAIN_IMAGES: idx_file(np.zeros((60_000, 1, 1), np.uint8)),
            TRAIN_LABELS: idx_file(labels),
        },
    )
    with pytest.raises(DataError, match="MNIST and others"):
        datasets.load("fashion-mnist", directory=folder)


@pytest.mark.promise("DATA-3")
def test_what_is_nowhere_is_downloaded_once_and_found_from_then_on(site, places):
    first = mnist_family.load(FASHION, 0, places, site.origin)
    assert sorted(site.asked) == sorted(FILES)
    again = mnist_family.load(FASHION, 0, places, site.origin)
    assert len(site.asked) == len(FILES)
    assert again.source == first.source == "fashion-mnist"
    assert datasets.fingerprint(again) == datasets.fingerprint(first)
    assert sorted(path.name for path in places.cache.iterdir()) == sorted(FILES)


def test_what_is_installed_is_not_downloaded(site, places):
    write(places.installed[0], small_files(train=240))
    assert len(mnist_family.load(FASHION, 0, places, site.origin).train) == 200
    assert site.asked == []


def test_an_incomplete_folder_is_passed_over(site, places):
    files = small_files()
    del files[TEST_LABELS]
    write(places.installed[0], files)
    assert len(mnist_family.load(FASHION, 0, places, site.origin).test) == 20
    assert sorted(site.asked) == sorted(FILES)


def test_only_what_the_cache_lacks_is_downloaded(site, places):
    write(places.cache, {TRAIN_IMAGES: site.files[TRAIN_IMAGES]})
    mnist_family.load(FASHION, 0, places, site.origin)
    assert sorted(site.asked) == sorted(set(FILES) - {TRAIN_IMAGES})


def test_a_damaged_file_in_the_cache_can_be_deleted_and_comes_back(site, places):
    mnist_family.load(FASHION, 0, places, site.origin)
    damaged = places.cache / TRAIN_LABELS
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match="delete it to have it downloaded again") as caught:
        mnist_family.load(FASHION, 0, places, site.origin)
    assert caught.value.path == damaged
    damaged.unlink()
    assert len(mnist_family.load(FASHION, 0, places, site.origin).train) == 100


def both_ways_out(error):
    return "apt install dataset-fashion-mnist" in str(error) and "into a folder" in str(error)


@pytest.mark.promise("DATA-3")
def test_another_content_than_the_official_one_is_not_kept(site, places):
    wrong = replace(site.origin, sha256={**site.origin.sha256, TRAIN_LABELS: "0" * 64})
    with pytest.raises(DataError, match="not the expected file") as caught:
        mnist_family.load(FASHION, 0, places, wrong)
    assert both_ways_out(caught.value)
    assert [path.name for path in places.cache.iterdir()] == [TRAIN_IMAGES]


def test_a_transfer_that_breaks_off_leaves_no_half_file_and_can_be_repeated(site, places):
    site.cut.add(TRAIN_IMAGES)
    with pytest.raises(DataError, match=r"broke off after \d+ of \d+ bytes") as caught:
        mnist_family.load(FASHION, 0, places, site.origin)
    assert both_ways_out(caught.value)
    assert not (places.cache / TRAIN_IMAGES).exists()
    site.cut.clear()
    assert len(mnist_family.load(FASHION, 0, places, site.origin).train) == 100


def test_a_site_that_says_nothing_is_given_up(site, tmp_path):
    site.silent.add(TEST_LABELS)
    with pytest.raises(DataError, match="timed out"):
        fetch(site.address + TEST_LABELS, tmp_path / "file", "0" * 64, timeout=0.2)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_the_site_lacks_is_named(site, places):
    origin = site.origin
    del site.files[TEST_IMAGES]
    with pytest.raises(DataError, match=f"{TEST_IMAGES} could not be downloaded .*404"):
        mnist_family.load(FASHION, 0, places, origin)


def test_without_a_network_both_ways_out_are_told(site, places):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(DataError, match=r"could not be downloaded.*refused") as caught:
            mnist_family.load(FASHION, 0, places, replace(site.origin, address=refusing))
    assert both_ways_out(caught.value)
    assert str(places.installed[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_is_named(site, places):
    places.cache.parent.write_text("a file where a folder should be")
    with pytest.raises(DataError, match="cannot be written to") as caught:
        mnist_family.load(FASHION, 0, places, site.origin)
    assert both_ways_out(caught.value)


def test_a_download_never_leaves_half_a_file_in_the_place_of_a_whole_one(site, tmp_path):
    target = tmp_path / TRAIN_IMAGES
    target.write_bytes(b"what was there")
    site.cut.add(TRAIN_IMAGES)
    with pytest.raises(DataError):
        fetch(site.address + TRAIN_IMAGES, target, site.origin.sha256[TRAIN_IMAGES])
    assert target.read_bytes() == b"what was there"


def test_only_web_addresses_are_fetched(tmp_path):
    (tmp_path / "secret").write_text("mine")
    with pytest.raises(DataError, match="no http or https address"):
        fetch((tmp_path / "secret").as_uri(), tmp_path / "copy", "0" * 64)
    assert not (tmp_path / "copy").exists()


# The rest of the family


@pytest.mark.promise("DATA-12")
@pytest.mark.parametrize("member", [mnist_family.MNIST, mnist_family.KMNIST])
def test_others_of_the_family_are_had_by_name(site, tmp_path, member):
    places = Places((tmp_path / "installed",), tmp_path / "cache")
    loaded = mnist_family.load(member, 0, places, site.origin)
    assert (loaded.name, loaded.source, loaded.class_names) == (
        member.name,
        member.name,
        member.class_names,
    )
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.test)] == [100, 20, 20]
    assert member.name in datasets.NAMES
    origin = site.origin
    del site.files[TRAIN_IMAGES]
    with pytest.raises(DataError, match=f"{member.title} is in none of .*put the four official"):
        mnist_family.load(member, 0, replace(places, cache=tmp_path / "other"), origin)


def test_checksums_are_of_the_form_of_checksums_and_differ():
    sums = [one for member in mnist_family.MEMBERS for one in member.official.sha256.values()]
    assert len({*sums}) == 12
    assert all(len(one) == 64 and int(one, 16) for one in sums)


@pytest.mark.promise("DATA-12")
def test_an_unknown_set_is_called_by_its_numbers(tmp_path):
    """As EMNIST's letters are: names that begin with more, counted from 1, lying on their side."""
    files = small_files()
    upright = np.random.default_rng(1).integers(0, 256, (120, 4, 4), np.uint8)
    folder = write(
        tmp_path / "letters",
        {
            "emnist-letters-train-images-idx3-ubyte.gz": idx_file(upright.transpose(0, 2, 1)),
            "emnist-letters-train-labels-idx1-ubyte.gz": idx_file(
                (1 + np.arange(120) % 3).astype(np.uint8)
            ),
            "emnist-letters-test-images-idx3-ubyte.gz": idx_file(np.zeros((9, 4, 4), np.uint8)),
            "emnist-letters-test-labels-idx1-ubyte.gz": idx_file(
                (1 + np.arange(9) % 3).astype(np.uint8)
            ),
        },
    )
    loaded = datasets.load(str(folder))
    assert (loaded.name, loaded.class_names) == ("letters", ("1", "2", "3"))
    seen = {image.tobytes() for part in (loaded.train, loaded.validation) for image in part.images}
    assert seen == {image.tobytes() for image in upright}
    assert np.bincount(loaded.test.labels).tolist() == [3, 3, 3]
    (folder / f"emnist-digits-{TRAIN_IMAGES}").write_bytes(files[TRAIN_IMAGES])
    with pytest.raises(DataError, match="more than one set: emnist-digits-train"):
        datasets.load(str(folder))


@pytest.mark.slow
@pytest.mark.skipif(
    not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed"
)
@pytest.mark.promise("DATA-12")
def test_official_files_are_known_by_their_checksum_wherever_they_lie():
    loaded = datasets.load(str(DEBIAN))
    assert (loaded.name, loaded.class_names) == ("fashion-mnist", FASHION.class_names)
