"""The build report: what was wrong, where, and what the build did about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from copyright_gym.errors import BuildError, CopyrightGymError
from copyright_gym.whole_file import FULL_DISK, write_whole

REPORT: Final = "report.json"
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Finding:
    """Something that was wrong.

    Attributes:
        what: Its kind, such as "unreadable image".
        where: The file, holder or folder.
        detail: What exactly, and how to mend it where that isn't plain.
        done: "skipped", "dropped", "continued" or "refused".
    """

    what: str
    where: str
    detail: str
    done: str


class BuildReport:
    """Findings of one build, written to `report.json` of its work folder.

    Args:
        folder: The work folder; it is made if it isn't there.
    """

    def __init__(self, folder: Path) -> None:
        """Start with no findings."""
        self.path = folder / REPORT
        self.findings: list[Finding] = []

    def add(self, what: str, where: str, detail: str, done: str) -> None:
        """Add a finding; see `Finding`."""
        self.findings.append(Finding(what, where, detail, done))

    def write(self, outcome: str) -> None:
        """Write the report whole.

        Args:
            outcome: "built", or why there is no pack.
        """
        findings = [asdict(finding) for finding in self.findings]
        text = json.dumps({"outcome": outcome, "findings": findings}, indent=1, ensure_ascii=False)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, text + "\n")

    def summary(self) -> str:
        """Return one line a kind of finding, with some of the places."""
        groups: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault((finding.what, finding.done), []).append(finding)
        lines = [f"build report: {self.path}" + ("" if groups else ", no works were at fault")]
        for (what, done), found in groups.items():
            shown = "; ".join(f"{f.where} ({f.detail})" for f in found[:_EXAMPLES])
            more = f"; and {len(found) - _EXAMPLES} more" if len(found) > _EXAMPLES else ""
            lines.append(f"  {what}, {done}: {len(found)}: {shown}{more}")
        return "\n".join(lines)


@contextmanager
def reported(report: BuildReport) -> Iterator[None]:
    """Write and print the report when a build ends, however it ends.

    Raises:
        BuildError: The disk is full; named in the report.
    """
    outcome = "built"
    try:
        yield
    except CopyrightGymError as error:
        outcome = f"refused: {error}"
        raise
    except OSError as error:
        outcome = f"stopped: {error}"
        if error.errno not in FULL_DISK:
            raise
        where = str(error.filename or report.path.parent)
        report.add("full disk", where, str(error), "refused")
        raise BuildError(
            f"the disk is full ({error}); what is finished is kept: free space and give the same "
            "command again to go on"
        ) from error
    except BaseException as error:  # also Ctrl-C
        outcome = f"stopped: {error!r}"
        raise
    finally:
        try:
            report.write(outcome)
        except OSError as error:  # the printed summary must do
            print(f"the build report could not be written: {error}", file=sys.stderr)
        print(report.summary(), file=sys.stderr)
