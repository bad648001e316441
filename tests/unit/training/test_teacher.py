"""Teachers: what is kept of whole frames, and how it moves with the crops."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from etc_edge.backends.onnxruntime.reference import run_reference
from etc_edge.core.bundle import Bundle
from etc_edge.core.errors import CheckpointError, RecipeError, TrainingError
from etc_edge.core.labels import LabelSet
from etc_edge.core.preprocessing import Preprocessing
from etc_edge.graph.heads import output_logits
from etc_edge.graph.load import load_model, to_bytes
from etc_edge.models.released import Released, save_released
from etc_edge.models.table import build_network
from etc_edge.training.batches import Batch, collate
from etc_edge.training.geometry import compose, inverse, motion_about
from etc_edge.training.normalisation import Normalisation
from etc_edge.training.recipe import TeacherRecipe
from etc_edge.training.sample import Sample
from etc_edge.training.teacher import CachedTeacher, LiveTeacher
from etc_edge.training.teacher_store import TeacherStore
from etc_edge.training.whole_frames import (
    BundleTeacher,
    NetworkTeacher,
    load_teacher_network,
    open_frame_teacher,
    teacher_identity,
)
from tests.tiny_bundle import LABELS, SIZE_HW, color_frame, write_tiny_bundle

CPU = torch.device("cpu")
PLAIN = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), CPU)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_tiny_bundle(tmp_path_factory.mktemp("teacher") / "colors.etc")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    network = build_network("street_small", 3, auxiliary=False).eval()
    path = tmp_path_factory.mktemp("teacher") / "teacher.safetensors"
    save_released(Released("street_small", network, LABELS, Preprocessing(SIZE_HW)), path)
    return path


def test_maps_move_as_the_frame_does(tmp_path: Path) -> None:
    """A teacher whose logits are the places themselves says where each pixel of a crop comes from."""
    frame_hw, crop_hw, stride = (64, 96), (32, 48), 8
    y, x = np.meshgrid(np.linspace(0, 63, 8), np.linspace(0, 95, 12), indexing="ij")
    store = TeacherStore(tmp_path, frame_hw)
    store.save("a clip/1", 3, np.stack([x, y]).astype(np.float16), None)
    assert store.has("a clip/1", 3)
    assert not store.has("a clip/1", 4)
    assert not store.has("a clip-1", 3)
    matrix = compose(motion_about((40.0, 30.0), (-20.0, -10.0), 1.25, 8.0), np.array([[-1.0, 0, 95], [0, 1, 0]]))
    sample = Sample(
        np.zeros((*crop_hw, 3), np.uint8), np.zeros(crop_hw, np.uint8), teacher=(store.maps("a clip/1", 3, matrix),)
    )
    (found,) = CachedTeacher(crop_hw, stride, False, CPU)(collate([sample]))
    assert found.logits.shape == (1, 2, 4, 6)
    assert found.features is None
    back = inverse(matrix)
    for row in range(4):
        for column in range(6):
            at = back @ np.array([column * 47 / 5, row * 31 / 3, 1.0])
            inside = 0 <= at[0] <= 95 and 0 <= at[1] <= 63
            assert bool(found.valid[0, row, column]) == inside
            if inside:
                assert found.logits[0, :, row, column].tolist() == pytest.approx(at.tolist(), abs=0.1)


def test_outputs_that_are_gone_or_damaged(tmp_path: Path) -> None:
    store = TeacherStore(tmp_path, (8, 8))
    with pytest.raises(TrainingError, match="missing or damaged"):
        store.maps("a", 0, np.eye(2, 3))
    store.save("a", 0, np.zeros((2, 2, 2), np.float16), np.zeros((3, 1, 1), np.float16))
    assert store.maps("a", 0, np.eye(2, 3)).features is not None
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(TrainingError, match="missing or damaged"):
        store.maps("a", 0, np.eye(2, 3))


def test_views_are_averaged_as_probabilities(weights: Path) -> None:
    recipe = TeacherRecipe(path=str(weights), scales=(1.0, 1.5), flip=True, stride=4)
    network, normalise = load_teacher_network(recipe, LABELS, CPU)
    image = color_frame(1)
    logits, features = NetworkTeacher(network, normalise, recipe)(image)
    images = normalise(torch.from_numpy(image)[None])
    views = []
    with torch.no_grad():
        for size in ((32, 48), (48, 72)):
            view = functional.interpolate(images, size=size, mode="bilinear", align_corners=True)
            for flipped in (False, True):
                out = network(view.flip(3)).flip(3) if flipped else network(view)
                out = functional.interpolate(out, size=(8, 12), mode="bilinear", align_corners=True)
                views.append(out.softmax(1))
    expected = torch.stack(views).mean(0)[0].numpy()
    found = torch.from_numpy(logits.astype(np.float32)).softmax(0).numpy()
    assert np.abs(found - expected).max() < 2e-3
    assert features is not None
    assert features.shape[1:] == (4, 6), "features are kept at twice the stride of logits"


def test_a_bundle_gives_the_logits_of_its_graph(bundle: Bundle) -> None:
    recipe = TeacherRecipe(path=str(bundle.path), stride=2)
    image = color_frame(7)
    logits, features = BundleTeacher(bundle, recipe)(image)
    assert features is None
    model = to_bytes(output_logits(load_model(bundle.model_path), "logits"))
    (direct,) = run_reference(model, {"frame": image[None]}, ["logits"])
    assert logits.shape == direct.shape[1:] == (3, 16, 24)
    expected = torch.from_numpy(direct)[0].softmax(0).numpy()
    assert np.abs(torch.from_numpy(logits.astype(np.float32)).softmax(0).numpy() - expected).max() < 2e-3
    with pytest.raises(RecipeError, match=r"teacher\.scales for the bundle"):
        BundleTeacher(bundle, TeacherRecipe(path=str(bundle.path), scales=(1.0, 2.0)))


def test_logits_are_kept_as_fine_as_the_teacher_gives_them(weights: Path, bundle: Bundle) -> None:
    network, normalise = load_teacher_network(TeacherRecipe(path=str(weights)), LABELS, CPU)
    by_itself = NetworkTeacher(network, normalise, TeacherRecipe(path=str(weights)))
    assert by_itself.stride == network.logits_stride == 4
    assert by_itself(color_frame(1))[0].shape == (3, 8, 12)
    assert BundleTeacher(bundle, TeacherRecipe(path=str(bundle.path))).stride == 4, "its logits' own 2 is too fine"


def test_a_live_teacher_is_the_network_on_the_crops(weights: Path) -> None:
    network, normalise = load_teacher_network(TeacherRecipe(path=str(weights)), LABELS, CPU)
    frames = torch.from_numpy(np.stack([color_frame(1), color_frame(2)]))
    batch = Batch((frames, frames.flip(2)), torch.zeros(2, *SIZE_HW, dtype=torch.uint8))
    first, second = LiveTeacher(network, normalise)(batch)
    with torch.no_grad():
        torch.testing.assert_close(first.logits, network(normalise(frames)))
        torch.testing.assert_close(second.logits, network(normalise(frames.flip(2))))
    assert first.features is not None
    assert bool(first.valid.all())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_what_the_kept_outputs_depend_on(weights: Path, bundle: Bundle) -> None:
    recipe = TeacherRecipe(path=str(weights))
    others = [
        teacher_identity(recipe, (64, 64)),
        teacher_identity(TeacherRecipe(path=str(weights), flip=True), SIZE_HW),
        teacher_identity(TeacherRecipe(path=str(weights), scales=(2.0,)), SIZE_HW),
        teacher_identity(TeacherRecipe(path=str(bundle.path)), SIZE_HW),
    ]
    assert len({teacher_identity(recipe, SIZE_HW), *others}) == 5
    assert teacher_identity(recipe, SIZE_HW) == teacher_identity(recipe, SIZE_HW)


def test_teachers_that_do_not_fit(weights: Path, bundle: Bundle, tmp_path: Path) -> None:
    other = dataclasses.replace(LABELS, names=("red", "green", "yellow"))
    for path in (weights, bundle.path):
        with pytest.raises(RecipeError, match="with the classes red, green, blue, expected .*yellow"):
            open_frame_teacher(TeacherRecipe(path=str(path)), other, CPU)
    with pytest.raises(CheckpointError, match="no teacher at"):
        open_frame_teacher(TeacherRecipe(path=str(tmp_path / "absent.pth")), LABELS, CPU)
    plain = tmp_path / "plain.pth"
    torch.save(build_network("street_small", 3).state_dict(), plain)
    with pytest.raises(RecipeError, match="does not say its network"):
        open_frame_teacher(TeacherRecipe(path=str(plain)), LABELS, CPU)
    named = open_frame_teacher(TeacherRecipe(path=str(plain), network="street_small"), LABELS, CPU)
    assert named.gives_features
    five = LabelSet(tuple("abcde"), ((0, 0, 0),) * 5)
    with pytest.raises(CheckpointError, match="do not fit"):
        open_frame_teacher(TeacherRecipe(path=str(plain), network="street_small"), five, CPU)
