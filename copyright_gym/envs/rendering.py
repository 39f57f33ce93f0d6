"""Drawing a market: a table in text, or a figure by matplotlib."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from copyright_gym.errors import load_attribute
from copyright_gym.single import SingleMarket

RENDER_MODES = ["ansi", "rgb_array", "human"]
FPS = 4
_MARKS = {True: "+", False: "-"}


@dataclass(frozen=True)
class Frame:
    """What a picture shows of a market.

    Attributes:
        holders: names of the H holders.
        budget: the budget B.
        leftovers: money left after each finished round.
        leftover: money left now.
        qualities: quality after each finished round.
        quality: quality now.
        offers: float64 (T, H), prices offered, 0 where none.
        bought: bool (T, H), lots bought.
        expectations: float64 (T, H), the least that the holders accept.
        round_index: number of finished rounds.
    """

    holders: tuple[str, ...]
    budget: float
    leftovers: tuple[float, ...]
    leftover: float
    qualities: tuple[float, ...]
    quality: float
    offers: NDArray[np.float64]
    bought: NDArray[np.bool_]
    expectations: NDArray[np.float64]
    round_index: int

    @classmethod
    def of(cls, market: SingleMarket) -> Frame:
        """Take a picture of a market as it stands.

        Args:
            market: the market.

        Returns:
            A frame that later moves don't change.
        """
        shape = market.tables.base.shape
        return cls(
            holders=tuple(h.name for h in market.tables.pack.holders[: market.tables.holders]),
            budget=market.tables.budget,
            leftovers=tuple(market.round_leftovers),
            leftover=market.leftover,
            qualities=tuple(market.round_qualities),
            quality=market.quality,
            offers=np.reshape(market.offers, shape),
            bought=np.reshape(market.bought, shape),
            expectations=market.expectations,
            round_index=market.round_index,
        )

    def text(self) -> str:
        """Write a table with a row per holder and a column per round.

        Returns:
            Lines of text. A cell is the offer / the expectation, and + if accepted, - if
            refused; money is in percent of the budget.
        """
        rounds = len(self.offers)
        width = max(len("left"), *(len(name) for name in self.holders))
        head = f"{'':{width}}" + "".join(f"  {f'round {t + 1}':>12}" for t in range(rounds))
        rows = [
            f"{name:{width}}" + "".join(f"  {self._cell(t, i):>12}" for t in range(rounds))
            for i, name in enumerate(self.holders)
        ]
        left = [f"{100 * value / self.budget:.1f}" for value in self.leftovers]
        quality = [f"{value:+.4f}" for value in self.qualities]
        for name, values in (("left", left), ("q", quality)):
            rows.append(f"{name:{width}}" + "".join(f"  {value:>12}" for value in values))
        now = f"left {100 * self.leftover / self.budget:.1f} %, quality {self.quality:+.4f}"
        return "\n".join([head, *rows, now])

    def _cell(self, t: int, holder: int) -> str:
        offer = self.offers[t, holder]
        if not offer:
            return "."
        asked = 100 * self.expectations[t, holder] / self.budget
        mark = _MARKS[bool(self.bought[t, holder])]
        return f"{100 * offer / self.budget:.1f}/{asked:.1f} {mark}"


class Viewer:
    """Draws frames with matplotlib; the window opens with the first frame."""

    def __init__(self) -> None:
        self._figure: Any = None

    def draw(self, frame: Frame, render_mode: str) -> NDArray[np.uint8] | None:
        """Draw a frame.

        Args:
            frame: the frame.
            render_mode: "rgb_array" or "human".

        Returns:
            uint8 (height, width, 3) for "rgb_array"; None for "human".

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        if self._figure is None:
            self._figure = _new_figure(render_mode)
        _paint(self._figure, frame)
        if render_mode == "human":
            self._figure.canvas.draw_idle()
            self._figure.canvas.flush_events()
            return None
        self._figure.canvas.draw()
        return np.array(self._figure.canvas.buffer_rgba())[:, :, :3]

    def close(self) -> None:
        """Close the window."""
        if self._figure is not None:
            _matplotlib("matplotlib.pyplot:close")(self._figure)
        self._figure = None

    def __reduce__(self) -> tuple[type[Viewer], tuple[()]]:
        # A copy draws in a window of its own.
        return Viewer, ()


def _new_figure(render_mode: str) -> Any:
    size = {"figsize": (10, 4), "dpi": 80, "layout": "constrained"}
    if render_mode == "human":
        figure = _matplotlib("matplotlib.pyplot:figure")(**size)
        figure.show(warn=False)
        return figure
    figure = _matplotlib("matplotlib.figure:Figure")(**size)
    _matplotlib("matplotlib.backends.backend_agg:FigureCanvasAgg")(figure)
    return figure


def _matplotlib(reference: str) -> Any:
    return load_attribute(reference, extra="render")


def _paint(figure: Any, frame: Frame) -> None:
    figure.clear()
    offers, quality = figure.subplots(1, 2, width_ratios=(3, 1))
    rounds, holders = frame.offers.shape
    x = (np.arange(rounds)[:, None] + (np.arange(holders) + 0.5) / holders - 0.5).ravel()
    percent = 100 / frame.budget
    made = frame.offers.ravel() > 0
    bought = frame.bought.ravel()
    price = frame.offers.ravel() * percent
    offers.plot(x, frame.expectations.ravel() * percent, "_", color="0.6", label="expectation")
    offers.plot(x[bought], price[bought], "o", color="tab:green", label="accepted")
    refused = made & ~bought
    offers.plot(x[refused], price[refused], "x", color="tab:red", label="refused")
    offers.set(xlabel="round", ylabel="% of the budget", xlim=(-0.6, rounds - 0.4))
    offers.set_xticks(range(rounds), [str(t + 1) for t in range(rounds)])
    offers.legend(loc="upper right", fontsize="small")
    finished = np.arange(len(frame.qualities) + 1)
    quality.step(
        finished,
        np.array([frame.budget, *frame.leftovers]) / frame.budget,
        where="post",
        label="money left",
    )
    quality.plot(finished, [0.0, *frame.qualities], "o-", label="quality")
    quality.set(xlabel="finished rounds", xlim=(-0.2, rounds + 0.2))
    quality.set_title(f"quality {frame.quality:+.4f}", fontsize="medium")
    quality.legend(fontsize="small")
