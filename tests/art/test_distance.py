import numpy as np
import pytest
import scipy.linalg
import torch

from copyright_gym.art.autoencoder import to_tensor
from copyright_gym.art.distance import AXES, FrechetDistance, PrincipalAxes
from copyright_gym.art.features import pooled_features
from copyright_gym.art.works import draw_works


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


def test_unknown_feature_lists_the_known() -> None:
    with pytest.raises(ValueError, match="'efficientnet-lite0', 'fid'"):
        FrechetDistance(draw_works("micah", 4).images, "inception")
