import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_studio import make_studio
from trak.score_computers import BasicScoreComputer

from copyright_gym.art.adapters import trainable_parameters
from copyright_gym.art.attribution import AttributionLedger, ridge_scores, shared_credit
from copyright_gym.art.diffusion import predict_noise
from copyright_gym.art.gradients import CountSketch, gradient_features
from copyright_gym.art.studio import Studio
from copyright_gym.errors import OptionError

RIDGE = 0.3


def dense_scores(works: np.ndarray, targets: np.ndarray) -> np.ndarray:
    gram = works.T @ works
    gram += RIDGE * np.diag(gram).mean() * np.eye(len(gram))
    return works @ np.linalg.solve(gram, targets.T)


def test_count_sketch_keeps_inner_products() -> None:
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(20_000, generator=generator)
    gradients = torch.stack([shared, shared + 0.5 * torch.randn(20_000, generator=generator)])
    sketch = CountSketch(20_000, 2048, seed=1)
    projected = sketch.project({"weight": gradients}, model_id=0)
    exact, sketched = gradients @ gradients.T, projected @ projected.T
    torch.testing.assert_close(sketched, exact, rtol=0.1, atol=0)


@pytest.mark.parametrize("dtrak", [True, False])
def test_a_training_work_is_attributed_to_itself_first(studio: Studio, dtrak: bool) -> None:
    works = studio.lot_sets[0][0]
    features = gradient_features(
        studio.pipeline, studio.base_weights, works, dtrak=dtrak, timesteps=2
    )
    scores = ridge_scores(features, features, 1e-2)
    assert scores.argmax(axis=0).tolist() == [0, 1, 2, 3]


def test_features_of_a_work_do_not_depend_on_its_company(studio: Studio) -> None:
    works = studio.lot_sets[0][0]
    together = gradient_features(studio.pipeline, studio.base_weights, works, timesteps=2)
    alone = gradient_features(studio.pipeline, studio.base_weights, works[:1], timesteps=2)
    assert together.shape == (4, 2048)
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-3, atol=1e-3 * abs(alone).max())


@pytest.mark.parametrize("dtrak", [True, False])
@pytest.mark.parametrize("method", ["full", "lora"])
def test_features_are_projected_gradients_averaged_over_timesteps(
    studio: Studio, method: str, dtrak: bool
) -> None:
    if method == "lora":
        studio = make_studio(method="lora")
        trained = studio.train_round(studio.base_weights, ((0,),), 1)
    else:
        trained = studio.base_weights
    works, pipeline, seed = studio.lot_sets[0][0][:1], studio.pipeline, 5
    features = gradient_features(pipeline, trained, works, dtrak=dtrak, timesteps=2, seed=seed)
    noise = torch.randn((2, *works.latents.shape[1:]), generator=torch.Generator().manual_seed(5))
    assert not any(p.requires_grad for p in pipeline.unet.parameters())
    parameters = [p.requires_grad_(True) for p in trainable_parameters(pipeline.unet)]
    total = torch.zeros(sum(p.numel() for p in parameters))
    for step, timestep in enumerate((250, 750)):
        signal = pipeline.scheduler.alphas_cumprod[timestep]
        mixed = signal.sqrt() * works.latents + (1 - signal).sqrt() * noise[step : step + 1]
        predicted = predict_noise(pipeline, mixed, torch.tensor([timestep]), works.conditions)
        # TRAK's output is the squared error, D-TRAK's the mean square of what was predicted.
        error = predicted if dtrak else predicted - noise[step : step + 1]
        gradients = torch.autograd.grad((error**2).mean(), parameters)
        total += torch.cat([g.flatten() for g in gradients]) / 2
    pipeline.unet.requires_grad_(False)
    expected = CountSketch(len(total), 2048, seed).project({"all": total[None]}, 0).numpy()
    expected = expected / len(total) ** 0.5
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3 * abs(expected).max())


@pytest.mark.parametrize(("works", "dimensions"), [(7, 20), (30, 12)])
def test_ridge_scores_agree_with_a_dense_solve_and_with_traker(works: int, dimensions: int) -> None:
    rng = np.random.default_rng(0)
    features, targets = rng.normal(size=(works, dimensions)), rng.normal(size=(5, dimensions))
    absolute = RIDGE * np.diag(features.T @ features).mean()
    expected = dense_scores(features, targets)
    np.testing.assert_allclose(ridge_scores(features, targets, RIDGE), expected, rtol=1e-9)
    several = ridge_scores(features, targets, [RIDGE, 10.0])
    np.testing.assert_allclose(several[0], expected, rtol=1e-9)
    computer = BasicScoreComputer(torch.float64, "cpu", lambda_reg=absolute)
    phi = torch.from_numpy(features)
    inverted = computer.get_x_xtx_inv(phi, computer.get_xtx(phi))
    traker = inverted.numpy() @ targets.T  # divided by a constant, for half precision's sake
    np.testing.assert_allclose(traker / traker[0, 0], expected / expected[0, 0], rtol=1e-3)


@settings(max_examples=25, deadline=None)
@given(moves=st.lists(st.integers(0, 3), min_size=1, max_size=8), seed=st.integers(0, 99))
def test_joining_and_leaving_equal_a_recomputation(moves: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    lots = {f"h{i}": rng.normal(size=(3 + i, 40)) for i in range(4)}
    targets = rng.normal(size=(5, 40))
    ledger = AttributionLedger(targets, RIDGE)
    for move in moves:
        name = f"h{move}"
        if name in ledger.holders:
            ledger.leave(name)
        else:
            ledger.join(name, [f"{name}/{k}" for k in range(3 + move)], lots[name])
    if not ledger.holders:
        return
    expected = dense_scores(np.concatenate([lots[h] for h in ledger.holders]), targets)
    found = np.concatenate([ledger.scores(h) for h in ledger.holders])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


def test_copies_of_one_work_share_its_score() -> None:
    rng = np.random.default_rng(1)
    works, targets = rng.normal(size=(5, 30)), rng.normal(size=(4, 30))
    ledger = AttributionLedger(targets, RIDGE)
    ledger.join("first", ["a", "b", "c"], works[:3])
    ledger.join("second", ["c", "d", "e"], works[2:])
    expected = dense_scores(works, targets)
    np.testing.assert_allclose(ledger.scores("first")[2], expected[2] / 2, atol=1e-10)
    np.testing.assert_allclose(ledger.scores("second")[0], expected[2] / 2, atol=1e-10)
    total = ledger.scores("first").sum(axis=0) + ledger.scores("second").sum(axis=0)
    np.testing.assert_allclose(total, expected.sum(axis=0), atol=1e-10)
    ledger.leave("first")
    rest = dense_scores(works[2:], targets)
    np.testing.assert_allclose(ledger.scores("second"), rest, atol=1e-10)


def test_each_target_hands_out_one_unit_of_credit() -> None:
    scores = np.array([[1.0, -1.0, -2.0], [3.0, 2.0, -1.0]])
    assert shared_credit(scores).tolist() == [0.25, 1.75]


def test_a_copy_of_a_work_takes_half_of_its_credit_and_nothing_else() -> None:
    rng = np.random.default_rng(2)
    works, targets = rng.normal(size=(5, 30)), rng.normal(size=(4, 30))
    ledger = AttributionLedger(targets, RIDGE)
    ledger.join("first", "abc", works[:3])
    ledger.join("second", "de", works[3:])
    before = ledger.credit()
    ledger.join("copier", "a", works[:1])
    after = ledger.credit()
    halves = before["first"] * [0.5, 1, 1]
    np.testing.assert_allclose(after["first"], halves, atol=1e-12)
    np.testing.assert_allclose(after["copier"], halves[:1], atol=1e-12)
    np.testing.assert_allclose(after["second"], before["second"], atol=1e-12)
    assert sum(part.sum() for part in after.values()) == pytest.approx(4)


def test_the_ledger_refuses_what_it_cannot_do() -> None:
    ledger = AttributionLedger(np.ones((1, 3)), 1.0)
    ledger.join("first", ["a"], np.ones((1, 3)))
    with pytest.raises(OptionError, match="let it leave first"):
        ledger.join("first", ["b"], np.ones((1, 3)))
    with pytest.raises(OptionError, match="2 digests for 1 works"):
        ledger.join("second", ["b", "c"], np.ones((1, 3)))
    with pytest.raises(OptionError, match="no holder 'third'"):
        ledger.scores("third")
    with pytest.raises(OptionError, match="above 0"):
        AttributionLedger(np.ones((1, 3)), 0.0)


@pytest.mark.parametrize(
    ("digests", "features", "message"),
    [
        (["a"], np.ones((1, 4)), r"must be \(n, 3\).*got \(1, 4\)"),
        (["b"], np.ones(1), r"must be \(n, 3\).*got \(1,\)"),
        ([], np.ones((0, 3)), "has no works"),
        (["a", "b"], np.ones((1, 3)), "2 digests for 1 works"),
    ],
)
def test_a_refused_join_leaves_the_ledger_as_it_was(
    digests: list[str], features: np.ndarray, message: str
) -> None:
    rng = np.random.default_rng(3)
    ledger = AttributionLedger(rng.normal(size=(2, 3)), 1.0)
    ledger.join("first", ["a", "c"], rng.normal(size=(2, 3)))
    before = ledger.scores("first")
    with pytest.raises(OptionError, match=message):
        ledger.join("second", digests, features)
    assert ledger.holders == ("first",)
    np.testing.assert_array_equal(ledger.scores("first"), before)
    ledger.leave("first")
    assert ledger.holders == ()


def test_an_empty_ledger_has_no_credit_to_hand_out() -> None:
    assert AttributionLedger(np.ones((1, 3)), 1.0).credit() == {}
