from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.dicebear_works import draw_works
from copyright_gym.art.distance import AXES, FrechetDistance, PrincipalAxes
from copyright_gym.art.features import pooled_features
from copyright_gym.art.published_weights import WEIGHTS
from copyright_gym.errors import MissingWeightsError, OptionError


def test_distance_agrees_with_a_direct_computation() -> None:
    reference, other = draw_works("micah", 80).images, draw_works("personas", 80).images
    features = [pooled_features(to_tensor(x)).double().numpy() for x in (reference, other)]
    centred = features[0] - features[0].mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:AXES].T
    first, second = ((x - features[0].mean(axis=0)) @ axes for x in features)
    covariances = np.cov(first.T), np.cov(second.T)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    expected = (
        np.square(first.mean(axis=0) - second.mean(axis=0)).sum()
        + np.trace(covariances[0] + covariances[1])
        - 2 * np.trace(root.real)
    )
    assert FrechetDistance(reference)(other) == pytest.approx(expected, rel=1e-4)


def test_distance_to_itself_is_zero_and_grows_with_mixing_in_others() -> None:
    reference = draw_works("micah", 80).images
    distance = FrechetDistance(reference)
    mixed = np.concatenate([reference[:40], draw_works("personas", 40).images])
    assert abs(distance(reference)) < 1e-3 < distance(mixed)
    assert distance(mixed) < distance(draw_works("personas", 80).images)


def test_axes_do_not_depend_on_the_sign_of_the_decomposition() -> None:
    features = torch.randn((90, 1280), generator=torch.Generator().manual_seed(0))
    basis = PrincipalAxes(features).basis
    peaks = basis.gather(1, basis.abs().argmax(dim=1, keepdim=True))
    assert (peaks > 0).all()


def test_fid_without_its_weights_says_where_they_belong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"weights-inception-.*\.pth into .*checkpoints"):
        FrechetDistance(draw_works("micah", 4).images, "fid")


def test_fid_runs_on_inception_weights_from_the_hub_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The published weights can't be shipped: random ones take their place and the same road.
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_, **__: None)
        network = FeatureExtractorInceptionV3("inception", ["2048"], "any")
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    torch.save(network.state_dict(), folder / WEIGHTS["Inception-v3"])
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    reference = draw_works("micah", 3).images
    distance = FrechetDistance(reference, "fid")
    assert abs(distance(reference)) < 1e-3
    assert distance(draw_works("personas", 3).images) > 1e-3


def test_unknown_feature_lists_the_known() -> None:
    with pytest.raises(OptionError, match="'efficientnet-lite0', 'fid'"):
        FrechetDistance(draw_works("micah", 4).images, "inception")
