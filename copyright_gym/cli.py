"""The command `copyright-gym`.

A subcommand's parser sets `run` to a function that takes the parsed arguments. Everything heavy
is imported inside these functions, so that `--help` answers at once and a command only needs the
libraries that it uses. Errors of this package and of the file system end the command with one
line on stderr and exit code 1; usage errors with exit code 2.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from copyright_gym.arguments import add_pack, add_rho, add_seed, add_steps, integer
from copyright_gym.art.commands import add_packs_build, add_validate
from copyright_gym.bench_commands import add_bench
from copyright_gym.errors import CopyrightGymError, listed, load_attribute
from copyright_gym.pack import load_pack, pack_names, verify_pack
from copyright_gym.pack_completeness import corpus_is_readable
from copyright_gym.pack_reports import REPORTS, add_reports


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: The words after the program's name; None takes them from `sys.argv`.

    Returns:
        The exit code: 0, 1 after an error or if the output was cut off, or 130 when interrupted.

    Raises:
        SystemExit: After a usage error (2) or `--help` (0).
    """
    options = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int | None] = options.run
    try:
        code = run(options) or 0
        sys.stdout.flush()
        return code
    except (CopyrightGymError, OSError) as error:
        if isinstance(error, BrokenPipeError) and _reader_is_gone():
            return 1
        print(f"copyright-gym: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("copyright-gym: interrupted", file=sys.stderr)
        return 130


def _reader_is_gone() -> bool:
    """Tell whether stdout's reader, `head` for one, wants no more; other pipes break, too."""
    try:
        print(flush=True)  # a flush alone fails once: it drops what it could not write
    except BrokenPipeError:
        # The flush at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="copyright-gym",
        description="Budget allocation between rights holders of generative art.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_demo(commands)
    _add_train(commands)
    add_bench(commands)
    _add_speed(commands)
    _add_packs(commands)
    add_validate(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "demo", help="train the hierarchical DQN in minutes and rank it among the baselines"
    )
    add_pack(parser)
    add_seed(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder for results (%(default)s)"
    )
    parser.add_argument(
        "--episodes",
        type=integer(1),
        default=500,
        metavar="N",
        help="markets that each policy is evaluated on (%(default)s)",
    )
    add_steps(parser)
    parser.add_argument(
        "--live",
        action="store_true",
        help="also play one episode with real fine-tuning (needs the extra 'art')",
    )
    parser.set_defaults(run=_demo)


def _add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("train", help="train policies and save them")
    parser.add_argument(
        "what",
        choices=("hierarchical", "baselines"),
        help="the hierarchical DQN, or the learned halves of the four learning baselines",
    )
    add_pack(parser)
    add_seed(parser)
    add_steps(parser)
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the policy files; a killed training of the hierarchical DQN goes on there",
    )
    parser.add_argument(
        "--tensorboard", type=Path, metavar="FOLDER", help="log there (needs the extra tensorboard)"
    )
    parser.set_defaults(run=_train)


def _add_speed(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("speed", help="measure steps a second next to CartPole's")
    add_pack(parser)
    add_seed(parser)
    parser.add_argument(
        "--repeats", type=integer(1), default=5, metavar="N", help="medians of N (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    parser.set_defaults(run=_speed)


def _add_packs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("packs", help="list, verify and build packs")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the embedded packs").set_defaults(run=_packs_list)
    verify = actions.add_parser("verify", help="check a pack's checksums, and that it is complete")
    verify.add_argument("pack", metavar="NAME_OR_FOLDER")
    verify.set_defaults(run=_packs_verify)
    add = actions.add_parser("add", help="put reports of `validate` into a pack")
    add.add_argument("pack", metavar="NAME_OR_FOLDER")
    add.add_argument("reports", type=Path, nargs="+", metavar="FILE", help=listed(REPORTS))
    add.set_defaults(run=_packs_add)
    add_packs_build(actions)
    _add_packs_visits(actions)


def _add_packs_visits(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    visits = actions.add_parser("visits", help="add histories that policies make to a file")
    add_pack(visits)
    _add_policies(visits)
    add_rho(visits)
    visits.add_argument("--count", type=integer(1), required=True, metavar="N", help="histories")
    visits.add_argument(
        "--market-seed", type=integer(0), required=True, metavar="N", help="the first market's"
    )
    visits.add_argument("--out", type=Path, required=True, help="the JSON file")
    visits.set_defaults(run=_packs_visits)


def _add_policies(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--policies",
        nargs="+",
        required=True,
        metavar="[NAME=]ROUND+HOLDER",
        help="pairs such as greedy+learned; a half is a registered name or a policy file",
    )


def _demo(options: argparse.Namespace) -> None:
    load_attribute("copyright_gym.benchmarks.demo:run_demo")(
        pack=options.pack,
        seed=options.seed,
        out=options.out,
        episodes=options.episodes,
        steps=options.steps,
        live=options.live,
    )


def _train(options: argparse.Namespace) -> None:
    load_attribute("copyright_gym.agents.training:train_to_files")(
        options.what,
        pack=options.pack,
        seed=options.seed,
        steps=options.steps,
        out=options.out,
        log=options.tensorboard,
    )


def _speed(options: argparse.Namespace) -> None:
    print(
        load_attribute("copyright_gym.benchmarks.speed:speed_report")(
            options.pack, repeats=options.repeats, seed=options.seed, as_json=options.json
        )
    )


def _packs_visits(options: argparse.Namespace) -> None:
    load_attribute("copyright_gym.benchmarks.visits:visits_to_file")(
        options.policies,
        pack=options.pack,
        rhos=options.rho,
        count=options.count,
        seed=options.market_seed,
        out=options.out,
    )
    print(f"wrote {options.out}")


def _packs_list(options: argparse.Namespace) -> None:
    for name in pack_names():
        pack = load_pack(name)
        print(f"{name}  {pack.title}: {len(pack.holders)} holders, {pack.rounds} rounds")


def _packs_add(options: argparse.Namespace) -> None:
    print(f"wrote {add_reports(options.pack, options.reports)}")


def _packs_verify(options: argparse.Namespace) -> None:
    verify_pack(options.pack)
    print(f"{options.pack}: complete, and all files match their checksums")
    if not corpus_is_readable():
        print("the rows of its corpus were not counted: that needs pyarrow")
