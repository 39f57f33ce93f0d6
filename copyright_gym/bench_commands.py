"""The command `bench`; light to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from copyright_gym.arguments import add_pack, add_rho, add_steps, integer
from copyright_gym.errors import load_attribute


def add_bench(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the `bench` command."""
    parser = commands.add_parser("bench", help="evaluate policies and report on results")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    run = actions.add_parser("run", help="play policies on the same markets, cell by cell")
    _add_contestants(run, ["baselines", "rivals", "oracle"])
    _add_runs(run)
    run.add_argument(
        "--quick",
        action="store_true",
        help="run only what needs no training, on portrait at rho 0.4, into a new folder, and "
        "compare it with the committed results; only --workers and --out count",
    )
    run.set_defaults(run=_bench_run)
    report = actions.add_parser("report", help="write tables and charts from a folder of cells")
    report.add_argument("folder", type=Path, help="what bench run wrote")
    report.add_argument(
        "--reference", metavar="NAME", help="compare with this policy (the best without oracle)"
    )
    report.set_defaults(run=_bench_report)
    _add_transfer(actions)
    live = actions.add_parser("live", help="play with real fine-tuning what bench run trains")
    _add_contestants(live, ["hierarchical", "uniform+learned", "all+model-adaptive"])
    _add_runs(live, episodes=8)
    live.set_defaults(run=_bench_live)
    tune = actions.add_parser(
        "tune", help="compare the parameters of policies that are not trained"
    )
    tune.add_argument("--packs", nargs="+", default=["portrait"], metavar="PACK", help="(portrait)")
    add_rho(tune)
    tune.add_argument(
        "--episodes", type=integer(1), default=200, metavar="N", help="markets (%(default)s)"
    )
    tune.set_defaults(run=_bench_tune)
    for name, text in (
        (
            "misreporting:misreport",
            "what a holder gains by acting as if its works were worth more or less",
        ),
        (
            "identities:identities",
            "what a holder gains by splitting its works or by offering them twice",
        ),
    ):
        study = actions.add_parser(name.partition(":")[2], help=text)
        _add_markets(study)
        study.set_defaults(run=_bench_study, study=f"copyright_gym.benchmarks.{name}")


def _add_transfer(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    transfer = actions.add_parser(
        "transfer", help="play what is trained on one pack on others and with more holders"
    )
    transfer.add_argument(
        "--policies",
        nargs="+",
        default=["hierarchical", "hierarchical-without-memory", "baselines", "all+adaptive"],
        metavar="NAME",
        help="as of bench run (hierarchical hierarchical-without-memory baselines all+adaptive)",
    )
    add_pack(transfer)
    transfer.add_argument(
        "--packs", nargs="*", default=[], metavar="PACK", help="other packs to play on (none)"
    )
    transfer.add_argument(
        "--holders",
        type=integer(1),
        nargs="*",
        default=[8, 32, 128],
        metavar="N",
        help="sizes of generated packs to play on (8 32 128)",
    )
    transfer.add_argument(
        "--churn",
        type=float,
        default=0.0,
        metavar="RATE",
        help="also generate packs whose holders join and leave: departures per holder and round "
        "(%(default)s: none)",
    )
    add_rho(transfer)
    _add_runs(transfer)
    transfer.set_defaults(run=_bench_transfer)


def _add_contestants(parser: argparse.ArgumentParser, policies: list[str]) -> None:
    """Add who plays where."""
    parser.add_argument(
        "--policies",
        nargs="+",
        default=policies,
        metavar="NAME",
        help="ROUND+HOLDER, hierarchical, a joint policy such as oracle, or a group: baselines, "
        f"random-baselines, rivals, trained-rivals, ablations ({' '.join(policies)})",
    )
    parser.add_argument(
        "--packs", nargs="+", default=["portrait"], metavar="PACK", help="(portrait)"
    )
    add_rho(parser)


def _add_runs(parser: argparse.ArgumentParser, episodes: int = 1000) -> None:
    """Add what trainings and their evaluation take."""
    parser.add_argument(
        "--seeds", type=integer(0), nargs="+", default=[0], metavar="N", help="of trainings (0)"
    )
    parser.add_argument(
        "--evaluation-seed", type=integer(0), default=0, metavar="N", help="of the markets (0)"
    )
    parser.add_argument(
        "--episodes", type=integer(1), default=episodes, metavar="N", help="markets (%(default)s)"
    )
    add_steps(parser)
    parser.add_argument("--workers", type=integer(1), default=1, metavar="N", help="processes (1)")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cells")


def _add_markets(parser: argparse.ArgumentParser) -> None:
    """Add what a study of policies takes."""
    parser.add_argument(
        "--policies",
        nargs="+",
        required=True,
        metavar="NAME",
        help="as of bench run; a half of ROUND+HOLDER may also be a policy file",
    )
    parser.add_argument(
        "--trained",
        type=Path,
        metavar="FOLDER",
        help="of bench run, with the trainings of policies that are trained first",
    )
    parser.add_argument(
        "--training-seed", type=integer(0), default=0, metavar="N", help="of these trainings (0)"
    )
    add_steps(parser)
    add_pack(parser)
    parser.add_argument("--rho", type=float, default=0.4, help="budget (%(default)s)")
    parser.add_argument(
        "--evaluation-seed", type=integer(0), default=0, metavar="N", help="of the markets (0)"
    )
    parser.add_argument(
        "--episodes", type=integer(2), default=200, metavar="N", help="markets (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of tables")


def _bench_run(options: argparse.Namespace) -> None:
    if options.quick:
        quick = load_attribute("copyright_gym.benchmarks.reproduction:run_quick")
        print(quick(options.out, options.workers))
        return
    run_grid = load_attribute("copyright_gym.benchmarks.grid:run_grid")
    run_grid(_cells(options), options.out, options.workers)


def _bench_live(options: argparse.Namespace) -> None:
    play = load_attribute("copyright_gym.benchmarks.live_ranking:play_live_cells")
    print(play(_cells(options, live=True), options.out, options.workers))


def _cells(options: argparse.Namespace, live: bool = False) -> Any:
    return load_attribute("copyright_gym.benchmarks.cells:make_cells")(
        options.policies,
        packs=options.packs,
        rhos=options.rho,
        seeds=options.seeds,
        steps=options.steps,
        evaluation_seed=options.evaluation_seed,
        episodes=options.episodes,
        live=live,
    )


def _bench_report(options: argparse.Namespace) -> None:
    print(
        load_attribute("copyright_gym.benchmarks.grid_report:write_report")(
            options.folder, reference=options.reference
        )
    )


def _bench_tune(options: argparse.Namespace) -> None:
    tune = load_attribute("copyright_gym.benchmarks.tuning:tune")
    print(tune(options.packs, options.rho, options.episodes))


def _bench_study(options: argparse.Namespace) -> None:
    trainings = load_attribute("copyright_gym.benchmarks.trainings:Trainings")
    print(
        load_attribute(options.study)(
            options.policies,
            pack=options.pack,
            rho=options.rho,
            evaluation_seed=options.evaluation_seed,
            episodes=options.episodes,
            trainings=trainings(options.trained, options.training_seed, options.steps),
            as_json=options.json,
        )
    )


def _bench_transfer(options: argparse.Namespace) -> None:
    print(
        load_attribute("copyright_gym.benchmarks.transfer:transfer")(
            options.policies,
            pack=options.pack,
            packs=options.packs,
            holders=options.holders,
            churn=options.churn,
            rhos=options.rho,
            seeds=options.seeds,
            steps=options.steps,
            evaluation_seed=options.evaluation_seed,
            episodes=options.episodes,
            workers=options.workers,
            out=options.out,
        )
    )
