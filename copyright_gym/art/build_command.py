"""The command `packs build`; light to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from copyright_gym.errors import listed, load_attribute

RECIPE_NAMES: Final = ("portrait", "cartoon", "clipart")
CONTRIBUTIONS: Final = ("trak", "d-trak", "surrogate-shapley")


def add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `build` to the `packs` command."""
    build = commands.add_parser("build", help="build a pack by real fine-tuning; resumable")
    build.add_argument(
        "name",
        nargs="?",
        help=f"data set: {listed(RECIPE_NAMES)}; with --works the pack's name, by default the "
        "folder's",
    )
    build.add_argument(
        "--base",
        help="base model: a folder in diffusers' layout or a hub name; by default the embedded "
        "pack's, with --works that of portrait",
    )
    build.add_argument("--work", type=Path, help="records; by default runs/build/NAME")
    build.add_argument("--out", type=Path, help="the pack; by default runs/packs/NAME")
    build.add_argument(
        "--feature",
        choices=["efficientnet-lite0", "fid"],
        default="efficientnet-lite0",
        help="network of the Fréchet distance",
    )
    build.add_argument(
        "--contribution",
        choices=CONTRIBUTIONS,
        default=CONTRIBUTIONS[0],
        help="what a lot contributes: attributed by gradients, or its Shapley value",
    )
    add_networks(build, "of the copyright metric, by default efficientnet-lite0")
    build.add_argument("--histories", type=int, default=60, help="histories of all rounds")
    build.add_argument(
        "--small", type=int, default=0, help="further histories, of one to three holders"
    )
    build.add_argument(
        "--visited", type=Path, metavar="JSON", help="add the histories of `packs visits`"
    )
    _add_workers(build)
    _add_works(build)
    add_training(build)
    build.set_defaults(run=_build)


def _add_workers(build: argparse.ArgumentParser) -> None:
    workers = build.add_argument_group("workers; each plays whole histories")
    workers.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="by default 2 processes, on a Ray cluster one a GPU, or one a core without GPUs",
    )
    workers.add_argument(
        "--executor",
        choices=["local", "ray"],
        default="local",
        help="processes on this machine, one thread and in turn one GPU each; or a Ray cluster",
    )
    workers.add_argument("--address", help="of the Ray cluster; by default the one around here")


def _add_works(build: argparse.ArgumentParser) -> None:
    works = build.add_argument_group("your own works")
    works.add_argument(
        "--works", type=Path, metavar="FOLDER", help="a sub-folder of images a holder"
    )
    works.add_argument("--size", type=int, help="side in pixels; by default the base model's")
    works.add_argument("--rounds", type=int, help="rounds (5)")
    works.add_argument("--lot", type=int, help="works a lot (24)")
    works.add_argument("--held-out", type=int, help="works a holder that are never sold (40)")
    works.add_argument("--seed", type=int, help="of the order in which works are taken (0)")
    works.add_argument("--license", help="of works for which metadata.csv gives none")
    works.add_argument(
        "--drop-small-holders",
        action="store_true",
        default=None,
        help="go on without holders that have too few works",
    )


def add_networks(parser: argparse.ArgumentParser, purpose: str) -> None:
    """Add the options that choose the networks of the copyright metric."""
    parser.add_argument(
        "--semantic",
        metavar="NETWORK",
        help=f"{purpose}: efficientnet-lite0, open_clip:ARCHITECTURE:FILE_OR_TAG, "
        "open_clip:local-dir:FOLDER or open_clip:hf-hub:NAME",
    )
    parser.add_argument(
        "--perceptual",
        choices=["efficientnet-lite0", "lpips-alex", "lpips-vgg", "lpips-squeeze"],
        help=purpose,
    )


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a round trains and how works are drawn."""
    training = parser.add_argument_group("fine-tuning and drawing; by default as the data set says")
    training.add_argument("--method", choices=["full", "lora"], help="train the UNet or adapters")
    training.add_argument("--precision", choices=["fp32", "bf16", "fp16"])
    training.add_argument(
        "--vae",
        metavar="FOLDER_OR_NAME",
        help="an autoencoder that bears --precision, such as madebyollin/sdxl-vae-fp16-fix; by "
        "default the base model's own in fp32",
    )
    training.add_argument("--lora-rank", type=int, help="rank of the adapters")
    training.add_argument(
        "--gradient-checkpointing", action="store_true", default=None, help="less memory, slower"
    )
    training.add_argument("--batch", type=int, help="works a step")
    training.add_argument("--epochs", type=float, help="how often each new work is due")
    training.add_argument("--lr", type=float, help="learning rate")
    training.add_argument("--steps", type=int, help="denoising steps of a drawn work")
    training.add_argument("--guidance", type=float, help="classifier-free guidance; 1 is none")


def _build(options: argparse.Namespace) -> None:
    load_attribute("copyright_gym.art.requested_build:build_as_asked", extra="art")(options)
