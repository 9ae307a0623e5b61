"""What is taken home is what was trained: tried in a fresh process with only torch."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

from remap_panel.cli import main
from remap_ray import Submission, create_study
from remap_ray.errors import DataError, InvalidRequest, UnknownModel
from remap_ray.export import measured, onnx_file
from remap_ray.export.bundle import export_model
from remap_ray.export.card import accuracy_section, confusions
from remap_ray.export.source import source
from remap_ray.export.table import COLUMNS, export_predictions, export_table
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    Limits,
    MaxPool,
    Space,
    sample,
)
from remap_ray.study import Origin, Study
from remap_ray.training import datasets
from remap_ray.training.checkpoint import load_weights
from tests.browser.training import train_inline

NETWORKS = [
    (Conv(8, 3), Activation("relu"), MaxPool(2), Dropout(0.25), Dense(16), Activation("tanh")),
    (
        Conv(4, 3, padding=1),
        BatchNorm(),
        DepthwiseConv(8, 3, padding=1),
        AvgPool(2),
        Activation("sigmoid"),
        GlobalAvgPool(),
        Dense(8),
        BatchNorm(),
    ),
    (),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """Three small networks truly trained on digits, and one that waits."""
    path = tmp_path_factory.mktemp("export") / "take | home"
    with create_study(path, "digits", epochs=2) as study:
        known = [
            Submission(Architecture((1, 8, 8), 10, layers), origin=Origin.HANDCRAFTED)
            for layers in NETWORKS
        ]
        study.submit(known)
        train_inline(study)
        study.submit([Submission(Architecture((1, 8, 8), 10, (Dense(5),)))])
        yield study


ALONE = """
import json, sys
import numpy as np, torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
import model
images = torch.from_numpy(np.load(sys.argv[2]))
with torch.inference_mode():
    logits = model.load()(model.prepare(images))  # The weights lie beside it, wherever we are.
np.save(sys.argv[3], logits.numpy())
assert not any(name.startswith(("remap", "ray", "sklearn", "pandas")) for name in sys.modules)
print(json.dumps([model.CLASSES, model.INPUT_SHAPE]))
"""


def logits_alone(folder: Path, images: np.ndarray, scratch: Path) -> np.ndarray:
    """Have a fresh process, with only torch and safetensors, compute logits from images."""
    given, made = scratch / "images.npy", scratch / "logits.npy"
    np.save(given, images)
    said = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder), str(given), str(made)],
        check=True,
        capture_output=True,
        text=True,
        cwd=scratch,
    )
    names, shape = json.loads(said.stdout)
    assert names == [str(digit) for digit in range(10)]
    assert shape == list(images.shape[1:])
    return np.load(made)


def logits_here(
    study: Study, number: int, seen: np.ndarray, *, at_a_time: int = 10_000
) -> np.ndarray:
    """Compute logits by the study's weights, of images as the network sees them."""
    data = study.weights_path(number).read_bytes()
    network = load_weights(study.model(number).architecture, data)
    network = network.to(memory_format=torch.channels_last)
    images = torch.from_numpy(seen).contiguous(memory_format=torch.channels_last)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            return torch.cat([network(one) for one in torch.split(images, at_a_time)]).numpy()
    finally:
        torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.promise("EXPORT-1")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_source_alone_gives_the_same_logits(
    trained: Study, tmp_path: Path, number: int
) -> None:
    done = export_model(trained, number, tmp_path / "out", onnx=False)
    test = datasets.load("digits", seed=trained.seed).test
    alone = logits_alone(done.folder, test.images, tmp_path)
    np.testing.assert_array_equal(alone, logits_here(trained, number, test.images))
    one_by_one = logits_here(trained, number, test.images[:50], at_a_time=1)
    np.testing.assert_allclose(alone[:50], one_by_one, atol=1e-5)
    # The card tells what an evaluation of its own tells.
    accuracy = float((alone.argmax(1) == test.labels).mean())
    assert done.accuracy == accuracy
    card = (done.folder / "README.md").read_text()
    assert f"**{accuracy:.4f} on the {len(test):,} test images**" in card
    recall = float((alone.argmax(1) == test.labels)[test.labels == 3].mean())
    assert f"| 3 | {recall:.4f} | {(test.labels == 3).sum():,} |" in card
    assert "# take \\| home m" in card
    # It speaks of what lies beside it, and of nothing else.
    listed = [line.split("`")[1] for line in card.splitlines() if line.startswith("- `")]
    assert {*listed, "README.md"} == {one.name for one in done.folder.iterdir()}
    assert "snac.svg" not in card
    assert "`model.py` sees to that" in card


@pytest.fixture(scope="module")
def standardized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A network of each space, trained on changed and standardized images of three colours."""
    folder = tmp_path_factory.mktemp("standardized")
    digits = datasets.load("digits", seed=0)
    arrays: dict[str, np.ndarray] = {}
    for key, part in (("train", digits.train), ("val", digits.validation), ("test", digits.test)):
        grey = (part.images[:, 0] * 255).astype(np.uint8)
        # The last channel is constant.
        images = np.stack([grey, 255 - grey // 3, np.full_like(grey, 7)], axis=1)
        count = 1_000 if key == "test" else 400
        arrays |= {
            f"x_{key}": np.resize(images, (count, *images.shape[1:])),
            f"y_{key}": np.resize(part.labels, count),
        }
    np.savez(folder / "colours.npz", **arrays)
    drawn = [
        next(sample(Space.find(name), Random(4), (3, 8, 8), 10, Limits(parameters=30_000)))
        for name in ("paper", "modern")
    ]
    path, data = folder / "study", str(folder / "colours.npz")
    with create_study(path, data, epochs=1, flip=True, shift=1, standardize=True) as study:
        study.submit([Submission(one) for one in drawn])
        train_inline(study)
        yield study


@pytest.mark.slow
@pytest.mark.promise("EXPORT-1")
@pytest.mark.promise("DATA-10")
@pytest.mark.parametrize("number", [1, 2])
def test_images_of_the_data_set_go_into_what_was_standardized(
    standardized: Study, tmp_path: Path, number: int
) -> None:
    done = export_model(standardized, number, tmp_path / "out", onnx=False)
    loaded = datasets.load(standardized.data.source, seed=standardized.seed)
    alone = logits_alone(done.folder, loaded.test.images, tmp_path)
    mean, deviation = (
        np.array(one, np.float32).reshape(1, 3, 1, 1)
        for one in zip(*standardized.recipe.channels, strict=True)
    )
    assert deviation[0, 2, 0, 0] == 1
    seen = (datasets.scaled(loaded.test.images) - mean) / deviation
    np.testing.assert_array_equal(alone, logits_here(standardized, number, seen))
    np.testing.assert_allclose(
        alone[:50], logits_here(standardized, number, seen[:50], at_a_time=7), atol=1e-5
    )
    assert done.accuracy == float((alone.argmax(1) == loaded.test.labels).mean())
    # What training said of the validation part is what the source gives.
    if number == 1:
        found = logits_alone(done.folder, loaded.validation.images, tmp_path).argmax(1)
        model = standardized.model(1)
        assert float((found == loaded.validation.labels).mean()) == model.accuracy
    card = (done.folder / "README.md").read_text()
    assert "half of the training images were mirrored left to right" in card
    assert "shifted by up to 1 pixel" in card
    assert "less its mean and divided by its deviation" in card


@pytest.mark.slow
@pytest.mark.promise("EXPORT-2")
@pytest.mark.skipif(not onnx_file.is_there(), reason="needs remap-nas[export]")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("test", [True, False])
def test_onnx_takes_the_images_of_the_data_set(
    standardized: Study, tmp_path: Path, test: bool
) -> None:
    import onnxruntime

    done = export_model(standardized, 2, tmp_path / "out", onnx=True, test=test)
    said = "on 1,000 test images" if test else "on 64 made-up images"
    assert said in done.onnx
    session = onnxruntime.InferenceSession(
        str(done.folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    images = datasets.load(standardized.data.source, seed=standardized.seed).test.images
    (logits,) = session.run(["logits"], {"images": images})
    assert len(logits) == 1_000
    np.testing.assert_allclose(logits, logits_alone(done.folder, images, tmp_path), atol=1e-4)


@pytest.mark.slow
@pytest.mark.promise("EXPORT-2")
@pytest.mark.skipif(not onnx_file.is_there(), reason="needs remap-nas[export]")
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_logits(trained: Study, tmp_path: Path) -> None:
    import onnxruntime

    for number in (1, 2):
        done = export_model(trained, number, tmp_path / f"m{number}", onnx=True)
        assert "logits differ from torch's by at most" in done.onnx
        session = onnxruntime.InferenceSession(
            str(done.folder / "model.onnx"), providers=["CPUExecutionProvider"]
        )
        images = datasets.load("digits", seed=trained.seed).test.images
        (logits,) = session.run(["logits"], {"images": images})
        assert (logits.argmax(1) == 0).sum() < len(images)
        names: dict[str, object] = {"__name__": "model", "__file__": "model.py"}
        exec((done.folder / "model.py").read_text(), names)
        network = names["load"](str(done.folder / "weights.safetensors"))
        with torch.inference_mode():
            expected = network(names["prepare"](torch.from_numpy(images))).numpy()
        np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.promise("EXPORT-2")
def test_an_onnx_file_that_differs_is_not_written(
    trained: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differ(network: object, images: object, channels: object) -> None:
        raise onnx_file.OnnxDiffers("logits differ")

    monkeypatch.setattr(onnx_file, "onnx_bytes", differ)
    with pytest.raises(onnx_file.OnnxDiffers):
        export_model(trained, 1, tmp_path / "out", onnx=True)
    assert list(tmp_path.iterdir()) == []


def test_without_its_libraries_there_is_no_onnx(
    trained: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "LIBRARIES", ("no_such_library",))
    done = export_model(trained, 1, tmp_path / "out", test=False)
    assert "remap-nas[export]" in done.onnx
    assert "model.onnx" not in done.files
    assert done.accuracy is None
    assert "not measured on the test part" in (done.folder / "README.md").read_text()
    with pytest.raises(InvalidRequest, match="leave ONNX out"):
        export_model(trained, 1, tmp_path / "other", onnx=True)
    assert not (tmp_path / "other").exists()


@pytest.mark.promise("EXPORT-1")
def test_what_cannot_be_exported_leaves_nothing_behind(
    trained: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidRequest, match="m4 is queued, and has no weights"):
        export_model(trained, 4, tmp_path / "out")
    with pytest.raises(UnknownModel):
        export_model(trained, 99, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    with pytest.raises(InvalidRequest, match="is not empty"):
        export_model(trained, 1, tmp_path / "full")
    monkeypatch.setattr(datasets, "fingerprint", lambda _: "another")
    with pytest.raises(DataError, match="holds other data"):
        export_model(trained, 1, tmp_path / "out", onnx=False)
    assert [one.name for one in tmp_path.iterdir()] == ["full"]
    assert [one.name for one in (tmp_path / "full").iterdir()] == ["mine"]


@pytest.mark.promise("EXPORT-1")
def test_many_classes_have_their_confusion_matrix_in_a_file(trained: Study) -> None:
    counts = np.arange(24 * 24).reshape(24, 24)
    tested = measured.Tested(int(counts.sum()), 0.5, np.full(24, 0.5), counts)
    names = [f'class, "{number}"' for number in range(24)]
    ((name, data),) = confusions(tested, names).items()
    first, *rows = csv.reader(data.decode().splitlines())
    assert first == ["", *names]
    assert [row[0] for row in rows] == names
    assert np.array_equal(np.array([row[1:] for row in rows], int), counts)
    said = accuracy_section(trained.model(1), tested, trained.data.sizes, names)
    assert f"Its confusion matrix is `{name}`" in said
    assert confusions(tested, names[:20]) == confusions(None, names) == {}


def test_names_cannot_break_out_of_the_source() -> None:
    names = ("it's", '"""', "\\", "\n", "<img src=x onerror=alert(1)>", "\N{SNOWMAN}")
    text = source(Architecture((3, 9, 9), 6, ()), names, 'x """\nimport os')
    made: dict[str, object] = {"__name__": "model", "__file__": "model.py"}
    exec(compile(text, "model.py", "exec"), made)
    assert made["CLASSES"] == names
    assert text.isascii()
    prepared = made["prepare"](torch.full((1, 3, 9, 9), 255, dtype=torch.uint8))
    assert prepared.dtype == torch.float32
    assert prepared.max() == 1
    # What is float32 already is for the network to see as it is.
    seen = torch.rand(1, 3, 9, 9) * 300
    assert torch.equal(made["prepare"](seen), seen)


@pytest.mark.promise("EXPORT-3")
def test_a_study_as_a_table(trained: Study, tmp_path: Path) -> None:
    assert export_table(trained, tmp_path / "models.csv") == 4
    with (tmp_path / "models.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for row, model in zip(rows, trained.models(), strict=True):
        assert int(row["number"]) == model.number
        assert row["status"] == model.status
        assert Architecture.from_dict(json.loads(row["architecture"])) == model.architecture
        assert row["accuracy"] == ("" if model.accuracy is None else str(model.accuracy))
    points = trained.points("structure")
    assert float(rows[0]["structure_x"]) == points[1][0]
    with pytest.raises(InvalidRequest, match=r"\.csv or \.parquet"):
        export_table(trained, tmp_path / "models.xls")


@pytest.mark.promise("EXPORT-3")
def test_a_study_as_parquet(trained: Study, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export_table(trained, tmp_path / "models.parquet")
    rows = parquet.read_table(tmp_path / "models.parquet").to_pylist()
    assert [one["accuracy"] for one in rows] == [one.accuracy for one in trained.models()]
    assert [one["seed"] for one in rows] == [one.seed for one in trained.models()]


@pytest.mark.promise("EXPORT-3")
def test_predictions_as_arrays(trained: Study, tmp_path: Path) -> None:
    assert export_predictions(trained, tmp_path / "p.npz") == 3
    with np.load(tmp_path / "p.npz", allow_pickle=False) as kept:
        assert kept["models"].tolist() == [1, 2, 3]
        assert np.array_equal(kept["predictions"][1], trained.predictions(2))
        right = (kept["predictions"] == kept["labels"]).mean(axis=1)
    assert right.tolist() == [trained.model(number).accuracy for number in (1, 2, 3)]


@pytest.mark.promise("EXPORT-4")
def test_the_commands(trained: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study, out = str(trained.path), tmp_path / "m1"
    assert main(["export", study, "m1", "-o", str(out), "--no-onnx"]) == 0
    assert "accuracy on the test part: 0." in capsys.readouterr().out
    assert {one.name for one in out.iterdir()} == {
        "README.md",
        "architecture.json",
        "model.py",
        "snac.svg",
        "weights.safetensors",
    }
    card = (out / "README.md").read_text()
    assert "![m1](snac.svg)" in card
    assert "- `snac.svg`: its picture." in card
    assert main(["snac", study, "2", "-o", str(tmp_path / "m2.svg")]) == 0
    assert (tmp_path / "m2.svg").read_text().startswith("<svg")
    assert main(["export", study, "--table", str(tmp_path / "all.csv")]) == 0
    for wrong, says in (
        ([], "nothing to export was named"),
        (["m1"], "give both MODEL and -o DIR"),
        (["m1", "-o", str(out)], "is not empty"),
        (["m9", "-o", str(tmp_path / "m9")], "m9"),
    ):
        capsys.readouterr()
        assert main(["export", study, *wrong]) == 2
        assert says in capsys.readouterr().err
