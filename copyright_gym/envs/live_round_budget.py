"""The outer decision, played for real: every round fine-tunes a model and measures it."""

from __future__ import annotations

import operator
from dataclasses import replace
from pathlib import Path
from typing import Any

from copyright_gym.config import MarketConfig
from copyright_gym.envs.round_budget import RoundBudgetEnv
from copyright_gym.errors import OptionError, load_attribute
from copyright_gym.policies import Policy
from copyright_gym.single import SingleMarket


class LiveRoundBudgetEnv(RoundBudgetEnv):
    """Set money aside for one round after the other; every round really fine-tunes and measures.

    ## Description
    The market of `RoundBudgetEnv`, rule for rule, but for the quality: where that asks a
    surrogate, this fine-tunes the pack's base model on the lots that were bought, draws works
    from it and measures their distance to held-out works. A round takes seconds to minutes on a
    CPU core; what it will take is measured and told before the first one starts. Needs the extra
    `art`.

    Finished rounds are kept on disk by purchase history and training seed, so a history that
    was played before costs nothing. A process that is killed within a round goes on from the
    last stored step, which is at most a minute old, with the same bits. Processes may share the
    folder: one that wants the round of another waits for it.

    ## Action Space
    `Discrete(11)`, as in `RoundBudgetEnv`.

    ## Observation Space
    `Box` of float32, shape (10,), as in `RoundBudgetEnv`.

    ## Rewards
    The measured change of the model's quality in the round. The rewards of an episode sum to
    its final measured quality. They differ from those of `RoundBudgetEnv` by the error of the
    surrogate and the noise of training; `copyright-gym validate live` measures by how much.

    The last bits of a measurement depend on the processor and on library versions, and training
    amplifies them up to the noise between seeds: another machine gives close, not equal rewards.
    On one machine, equal seeds give equal rewards.

    ## Info
    As in `RoundBudgetEnv`.

    ## Starting State
    A fresh base model, the whole budget, newly drawn hidden factors.

    ## Episode End
    Terminated after round T, or when no money is left. Never truncated.

    ## Arguments
    `holder_policy`: name or object of the policy at the holder level, "uniform" by default.
    `cache`: folder where rounds are kept, as a string. By default `live` in the folder that
    `COPYRIGHT_GYM_CACHE` names, or else in `copyright_gym` in the user's cache folder
    (`XDG_CACHE_HOME`, or `~/.cache`). Each pack has a folder of its own there. A round needs
    as much room as the weights that fine-tuning changes: 10 MB on `portrait`.
    `training_seed`: seed of the fine-tuning, 0 by default.
    `progress`: whether to show the time estimate and a progress bar on stderr, True by default.
    `works`: for a pack that was built from a folder of works, that folder, as a string.
    `base`: for a pack that doesn't hold its base model, the model's folder or hub name.
    `reveal`: whether infos hold what policies must not see, False by default.
    `render_mode`: "ansi", "rgb_array", "human" or None.
    All other arguments are the options of `copyright_gym.MarketConfig`, but for `quality`.

    ```python
    import gymnasium as gym
    import copyright_gym
    env = gym.make("copyright_gym/LiveRoundBudget-v0", holder_policy="greedy", cache="runs/live")
    ```

    ## Vectorized environment
    There is no native one: `gym.make_vec` plays single environments one after the other, or in
    processes with `vectorization_mode="async"`, which share the cache.

    ## Source
    arXiv:2410.20180 fine-tunes and measures in every round. This pipeline is our reconstruction.

    ## Version History
    * v0: first version
    """

    def __init__(
        self,
        holder_policy: str | Policy = "uniform",
        cache: str | None = None,
        training_seed: int = 0,
        progress: bool = True,
        works: str | None = None,
        base: str | None = None,
        reveal: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        """Make the environment; nothing is trained yet.

        Args:
            holder_policy: name or object of the policy at the holder level.
            cache: folder where rounds are kept; None for the user's cache folder.
            training_seed: seed of the fine-tuning.
            progress: whether to show the time estimate and a progress bar.
            works: folder that the pack was built from, if it was built from one.
            base: folder or hub name of a base model that the pack doesn't hold.
            reveal: whether infos tell the hidden expectations.
            render_mode: "ansi", "rgb_array", "human" or None.
            **options: options of `MarketConfig` but for `quality`.

        Raises:
            OptionError: an option is unknown or impossible.
            PackError: the pack is unknown or damaged, or works or base model are missing.
            PolicyError: the policy is unknown or of the wrong level.
            CacheError: the cache folder cannot be written to.
            MissingExtraError: the extra `art` is not installed.
        """
        if "quality" in options:
            raise OptionError(
                "LiveRoundBudget-v0 always measures for real and takes no option quality; "
                "RoundBudget-v0 does"
            )
        for name, value in (("cache", cache), ("works", works), ("base", base)):
            if value is not None and not isinstance(value, str):
                raise OptionError(f"{name} must be a path as a string or None, not {value!r}")
        seed = _checked_seed(training_seed)
        # Holder policies that plan ahead do so with the surrogate, so it stays in their options.
        super().__init__(holder_policy, reveal, render_mode, **options)
        config: MarketConfig = replace(self.market.config, quality="live")
        live_quality = load_attribute("copyright_gym.art.live:LiveQuality", extra="art")
        brought_by = load_attribute("copyright_gym.art.pack_studio:brought_by", extra="art")
        model = live_quality(
            self.market.tables.pack,
            None if cache is None else Path(cache),
            seed,
            progress,
            brought_by(None if works is None else Path(works), base),
        )
        self.market = SingleMarket(config, model)


def _checked_seed(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        number = -1
    if isinstance(seed, bool) or number < 0:
        raise OptionError(f"training_seed must be an integer of at least 0, not {seed!r}")
    return number
