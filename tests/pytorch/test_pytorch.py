"""PyTorch: tensors, Datasets, torchvision's transforms, a module's layer as features, the chosen set as a Dataset."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
v2 = pytest.importorskip("torchvision.transforms.v2")

from sklearn.base import clone  # noqa: E402
from sklearn.model_selection import cross_val_score  # noqa: E402
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset  # noqa: E402

from influaug import AugmentationSelector  # noqa: E402
from influaug.data.adapters import as_transformation  # noqa: E402
from influaug.data.repeatable import check_repeatable  # noqa: E402
from influaug.data.tensors import as_arrays, channels_first, channels_last  # noqa: E402
from influaug.data.transformations import expand, named  # noqa: E402
from influaug.errors import InputError  # noqa: E402
from influaug.networks.torch_featurizer import TorchFeaturizer  # noqa: E402
from influaug.selection.torch_dataset import chosen_dataset  # noqa: E402
from torch_networks import accuracy, network, train  # noqa: E402

LAYER = "8"
ONE_PIXEL = {"translate": 1}


def directly(module, images):
    """Witness: the hooked layer's features by running the layers one by one."""
    module.eval()
    with torch.no_grad():
        return module[:9](torch.from_numpy(np.asarray(images).reshape(-1, 1, 8, 8)).float() / 255).numpy()


def test_features_are_the_layers_and_the_module_stays_as_it_was(trained, digits):
    module = clone(TorchFeaturizer(trained, LAYER)).module.train()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    found = TorchFeaturizer(module, LAYER, batch_size=37).transform(digits[0][:100, ..., None])
    assert found.dtype == np.float32 and found.shape == (100, 24)
    assert module.training and module[6].training and not module[1].training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not module[8]._forward_hooks
    np.testing.assert_allclose(found, directly(trained, digits[0][:100]), rtol=1e-4, atol=1e-5)


def test_maps_are_flattened_and_preprocessing_is_the_users(trained, digits):
    images = digits[0][:10, ..., None]
    half = TorchFeaturizer(trained, "2", preprocess=lambda pixels: pixels.float() / 510).transform(images)
    with torch.no_grad():
        want = trained[:3](channels_first(images).float() / 510).flatten(1).numpy()
    np.testing.assert_allclose(half, want, rtol=1e-4, atol=1e-6)
    assert half.shape == (10, 8 * 8 * 8)


class Noisy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Identity()

    def forward(self, x):
        return self.layer(torch.nn.functional.dropout(x, 0.5))


class Twice(Noisy):
    def forward(self, x):
        return self.layer(self.layer(x))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: TorchFeaturizer(m, "fc"), "must be a layer of the module, such as 0, 1, 2"),
        (lambda m: TorchFeaturizer(m, LAYER, batch_size=0), "batch_size is 0"),
        (lambda m: TorchFeaturizer("resnet", LAYER), "module is a str"),
        (lambda m: TorchFeaturizer(Noisy(), "layer"), "other features each time"),
        (lambda m: TorchFeaturizer(Twice(), "layer"), "was called 2 times"),
    ],
)
def test_featurizers_that_cannot_be_right_are_refused(make, message, trained, digits):
    with pytest.raises(InputError, match=message):
        make(trained).transform(digits[0][:8, ..., None])


@pytest.mark.parametrize("policy", ["greedy_influence", "influence"])
def test_the_choice_is_that_of_the_numpy_path(trained, digits, policy):
    images, labels = digits[0][:300], digits[1][:300]
    settings = {"policy": policy, "budget": 0.03, "random_state": 0}
    selector = AugmentationSelector(featurizer=TorchFeaturizer(trained, LAYER), **settings)
    selector.fit(images, labels, transformation=ONE_PIXEL)
    copies = expand(images[..., None], labels, named(ONE_PIXEL))
    features = directly(trained, copies.images).reshape(300, 4, -1)
    plain = AugmentationSelector(**settings).fit(directly(trained, images), labels, copies=features)
    np.testing.assert_array_equal(selector.support_, plain.support_)
    np.testing.assert_array_equal(selector.ranking_, plain.ranking_)
    assert len(selector.support_) == (36 if policy == "greedy_influence" else 9)


def test_training_on_the_chosen_dataset_teaches_the_transformation(trained, digits):
    images, labels, test, test_labels = digits
    selector = AugmentationSelector(featurizer=TorchFeaturizer(trained, LAYER), budget=0.25, random_state=0)
    selector.fit(images, labels, transformation=ONE_PIXEL)
    chosen = chosen_dataset(selector, images, labels, ONE_PIXEL)
    assert len(chosen) == 600 + 600 and chosen[0][0].shape == (1, 8, 8) and chosen[0][0].dtype == torch.uint8
    order = torch.Generator().manual_seed(0)
    retrained = train(network(), DataLoader(chosen, 32, shuffle=True, num_workers=2, generator=order), 12)
    moved = named(ONE_PIXEL)(test[..., None])[..., 0]
    before, after = (np.mean([accuracy(m, batch, test_labels) for batch in moved]) for m in (trained, retrained))
    assert after > before + 0.05, (before, after)


@pytest.fixture(scope="module")
def selector(trained, digits):
    images, labels = digits[0][:200], digits[1][:200]
    found = AugmentationSelector(featurizer=TorchFeaturizer(trained, LAYER), budget=0.05, random_state=0)
    return found.fit(images, labels, transformation=ONE_PIXEL)


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_what_augment_gives(selector, digits, workers):
    images, labels = digits[0][:200], digits[1][:200]
    plus, labels_plus, _, source = selector.augment(images, labels, ONE_PIXEL)
    chosen = chosen_dataset(selector, images, labels, ONE_PIXEL)
    batches = list(DataLoader(chosen, 64, num_workers=workers))
    np.testing.assert_array_equal(torch.cat([pixels for pixels, _ in batches]), plus[:, None])
    np.testing.assert_array_equal(torch.cat([targets for _, targets in batches]), labels_plus)
    np.testing.assert_array_equal(chosen.source, source)
    np.testing.assert_array_equal(chosen[-1][0][0], plus[-1])
    with pytest.raises(IndexError, match="no item 240"):
        chosen[240]


def test_tensors_and_datasets_are_taken_and_targets_are_places_of_classes(selector, digits):
    images, labels = digits[0][:200], digits[1][:200]
    tensor = torch.from_numpy(images)[:, None]
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])[labels]
    words = clone(selector).set_params(featurizer=selector.featurizer).fit(images, names, transformation=ONE_PIXEL)
    chosen = chosen_dataset(words, tensor, names, ONE_PIXEL, transform=v2.ToDtype(torch.float32, scale=True))
    assert list(words.classes_[[target for _, target in chosen]][:200]) == list(names)
    assert chosen[0][0].dtype == torch.float32 and chosen[0][0].max() <= 1
    beside = chosen_dataset(selector, TensorDataset(tensor, torch.from_numpy(labels)), transformation=ONE_PIXEL)
    for place in range(0, 200, 13):
        assert torch.allclose(beside[place][0].float() / 255, chosen[place][0])
    with pytest.raises(InputError, match=r"images\[0\] is not the image 0 of fit"):
        chosen_dataset(selector, torch.from_numpy(images[::-1].copy())[:, None], labels, ONE_PIXEL)


def test_channels_go_last_and_back():
    tensor = torch.randint(0, 256, (5, 3, 6, 7), dtype=torch.uint8)
    assert channels_last(tensor).shape == (5, 6, 7, 3)
    assert channels_last(tensor)[2, 3, 4, 1] == tensor[2, 1, 3, 4]
    assert torch.equal(channels_first(channels_last(tensor)), tensor)
    images, labels = as_arrays(tensor / 255, torch.arange(5))
    assert images.dtype == np.float32 and labels.tolist() == [0, 1, 2, 3, 4]


class Pictures(Dataset):
    """Pictures of PIL with labels, as torchvision's data sets give them."""

    def __init__(self, images, labels, transform=None):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        from PIL import Image

        image = Image.fromarray(self.images[i])
        return image if self.transform is None else self.transform(image), int(self.labels[i])


SLANTED = np.arange(9 * 64, dtype=np.uint8).reshape(9, 8, 8)


class Endless(IterableDataset):
    def __iter__(self):
        yield from ()


def test_datasets_of_pictures_are_read(digits):
    images, labels = as_arrays(Pictures(digits[0][:9], digits[1][:9]))
    np.testing.assert_array_equal(images, digits[0][:9])
    np.testing.assert_array_equal(labels, digits[1][:9])
    same, _ = as_arrays(Pictures(digits[0][:9], digits[1][:9], v2.PILToTensor()))
    np.testing.assert_array_equal(same, images[..., None])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.zeros(3, 28, 28, 3), [0, 1, 0], r"must be \[n, channels, height, width\]"),
        (torch.zeros(3, 1, 28, 28), None, "Tensors need labels"),
        (np.zeros((3, 28, 28)), [0, 1, 0], "must be a tensor or a Dataset"),
        (TensorDataset(torch.zeros(3, 1, 8, 8)), None, "must be pairs"),
        (TensorDataset(torch.zeros(3, 1, 8, 8), torch.zeros(3)), [0], "has its own labels"),
        (Endless(), None, "must be map-style"),
        (Pictures(SLANTED, range(9), v2.RandomRotation(90)), None, "another image each time"),
    ],
)
def test_what_is_no_set_of_images_is_refused(images, labels, message):
    with pytest.raises(InputError, match=message):
        as_arrays(images, labels)


TRANSFORMS = [
    v2.RandomAffine(20, (0.1, 0.1), (0.8, 1.2), 10),
    v2.RandomResizedCrop(24, (0.5, 1.0), antialias=True),
    v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
    v2.RandomErasing(p=1.0),
    v2.ElasticTransform(),
    v2.GaussianBlur(5),
    v2.GaussianNoise(),
    v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10),
    v2.RandAugment(),
    v2.TrivialAugmentWide(),
    v2.AugMix(),
    v2.RandomChoice([v2.RandomRotation(30), v2.RandomInvert(1.0)]),
    v2.Compose([v2.RandomHorizontalFlip(), v2.RandomRotation(15)]),
    torch.nn.Sequential(v2.RandomVerticalFlip(), v2.RandomPerspective(p=1.0)),
]


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda t: type(t).__name__)
def test_torchvisions_transforms_are_repeatable_and_leave_the_generator_alone(transform):
    images = np.random.default_rng(0).integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
    torch.manual_seed(5)
    state = torch.get_rng_state()
    made = as_transformation(transform, n_copies=3, seed=1)
    check_repeatable(made, images)
    copies = made(images)
    assert torch.equal(torch.get_rng_state(), state)
    np.testing.assert_array_equal(as_transformation(transform, 3, seed=1)(images[[4, 1]]), copies[:, [4, 1]])
    assert any(not np.array_equal(a, b) for a, b in zip(copies[0], copies[1], strict=True)) and copies.shape[0] == 3
    assert not np.array_equal(as_transformation(transform, 3, seed=2)(images), copies)


def test_a_copy_is_the_transform_of_the_tensor():
    images = np.random.default_rng(0).integers(0, 256, (4, 20, 22, 3), dtype=np.uint8)
    (copies,) = as_transformation(v2.RandomRotation((30, 30)))(images)
    want = v2.functional.rotate(torch.from_numpy(np.moveaxis(images, 3, 1)), 30)
    np.testing.assert_array_equal(np.moveaxis(copies, 3, 1), want)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (v2.MixUp(num_classes=3), "MixUp cannot change one uint8 tensor"),
        (v2.Normalize([0.5], [0.5]), "Normalize cannot change one uint8 tensor"),
        (v2.RandomCrop(10), r"into torch.uint8 \[3, 10, 10\]; it must keep both"),
        (v2.ToDtype(torch.float32, scale=True), "leave conversions to floats"),
        (v2.RandomHorizontalFlip, "is the class RandomHorizontalFlip"),
    ],
)
def test_transforms_that_cannot_make_copies_are_refused(transform, message):
    with pytest.raises(InputError, match=message):
        as_transformation(transform)(np.zeros((2, 24, 24, 3), np.uint8))


def test_a_transform_that_draws_elsewhere_is_refused():
    class Clock(torch.nn.Module):
        def forward(self, pixels):
            return pixels ^ torch.tensor(os.urandom(1)[0], dtype=torch.uint8)

    with pytest.raises(InputError, match="another copy of an image each time"):
        check_repeatable(as_transformation(Clock()), np.zeros((3, 9, 9, 1), np.uint8))


def test_torchvision_in_a_selector_and_in_searches(trained, digits):
    images, labels = digits[0][:200], digits[1][:200]
    move = v2.RandomAffine(0, (0.13, 0.13))
    found = AugmentationSelector(featurizer=TorchFeaturizer(trained, LAYER), budget=20, random_state=0)
    found.fit(images, labels, transformation=move)
    chosen = chosen_dataset(found, images, labels, move)
    assert len(chosen) == 220
    params = {"transformation": move}
    assert cross_val_score(found, images, labels, cv=3, params=params).mean() > 0.8


KERAS = """
import json, sys
import numpy as np
from influaug import AugmentationSelector
from influaug.networks.featurizer import KerasFeaturizer
data = np.load(sys.argv[1])
s = AugmentationSelector(featurizer=KerasFeaturizer("lenet", epochs=12, seed=0), budget=0.05, random_state=0)
images = np.kron(data["images"], np.ones((2, 2), np.uint8))
s.fit(images, data["labels"], transformation={"translate": 2})
import keras
again = AugmentationSelector(featurizer=s.featurizer_, budget=0.05, random_state=0)
again.fit(images, data["labels"], transformation={"translate": 2})
print(json.dumps([keras.backend.backend(), len(s.support_), s.score(images, data["labels"]),
                  bool(np.array_equal(again.support_, s.support_))]))
"""


def test_keras_on_pytorch_trains_a_featurizer(digits, tmp_path):
    # In a process of its own, as Keras's backend is chosen when it is imported.
    path = Path(tmp_path, "digits.npz")
    np.savez(path, images=digits[0][:200], labels=digits[1][:200])
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    ran = subprocess.run([sys.executable, "-c", KERAS, str(path)], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    backend, chosen, score, same = json.loads(ran.stdout.splitlines()[-1])
    assert backend == "torch" and chosen == 40 and score > 0.9 and same


def test_the_large_networks_take_a_step():
    script = Path(__file__).parents[1] / "influaug" / "networks" / "test_large.py"
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    ran = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found.pop("backend") == "torch" and len(found) == 3 and all(np.isfinite(list(found.values())))


def test_autoaugments_table_is_torchvisions():
    from influaug.data.auto_augment import CIFAR10_POLICY

    theirs = v2.AutoAugment(v2.AutoAugmentPolicy.CIFAR10)._get_policies(v2.AutoAugmentPolicy.CIFAR10)
    without = ("AutoContrast", "Equalize", "Invert")  # whose level torchvision leaves out
    mine = [tuple((name, p, None if name in without else level) for name, p, level in pair) for pair in CIFAR10_POLICY]
    assert mine == [tuple(pair) for pair in theirs]
