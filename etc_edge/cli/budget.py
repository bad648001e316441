"""The options of a budget, and what a search for it prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from etc_edge.quantization.search import Budget
    from etc_edge.stages.quantize_recipe import WholeQuantizeRecipe
    from etc_edge.stages.search import BudgetReport


@dataclass(frozen=True)
class BudgetOptions:
    """What was asked for; a search is made where one of the drops is bounded."""

    max_miou_drop: float | None
    max_tc_drop: float | None
    budget_frames: int | None
    budget_confidence: float | None
    report_split: str | None
    allow_overlap: bool
    keep_best: bool

    @property
    def asked(self) -> bool:
        """Whether there is a budget.

        Raises:
            click.UsageError: there is none, and an option that is about one.
        """
        if self.max_miou_drop is not None or self.max_tc_drop is not None:
            return True
        about = (self.budget_frames, self.budget_confidence, self.report_split, self.allow_overlap, self.keep_best)
        if any(value not in (None, False) for value in about):
            raise click.UsageError(
                "Found --budget-frames, --budget-confidence, --report-split, --allow-overlap or --keep-best without a "
                "budget, expected --max-miou-drop or --max-tc-drop too."
            )
        return False


def budget_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, which a command gets by the names of BudgetOptions' fields."""
    for option in (
        click.option("--keep-best", is_flag=True, help="Write what breaks the budget least where nothing holds it."),
        click.option("--allow-overlap", is_flag=True, help="Report on frames even where they were tuned on."),
        click.option(
            "--report-split", help="Split that is looked at once, in the end.  [default: val if there is one]"
        ),
        click.option(
            "--budget-confidence",
            type=click.FloatRange(0.5, 0.99),
            help="How sure that no more is lost; 0.5 takes what is measured.  [default: 0.95]",
        ),
        click.option(
            "--budget-frames",
            type=click.IntRange(min=2),
            help="Frames held back to measure on, at most half the split.  [default: 160, at most a quarter]",
        ),
        click.option("--max-tc-drop", type=float, metavar="POINTS", help="Search for INT8 that loses no more tc."),
        click.option("--max-miou-drop", type=float, metavar="POINTS", help="Search for INT8 that loses no more mIoU."),
    ):
        command = option(command)
    return command


def run_search(
    bundle: Path,
    out: Path,
    recipe: WholeQuantizeRecipe,
    data: str | None,
    target: str,
    finetuning: bool,
    asked: BudgetOptions,
) -> None:
    """Search, print what was tried, and end with 1 where nothing holds the budget."""
    from etc_edge.cli.settings import progress
    from etc_edge.quantization.search import CONFIDENCE, Budget
    from etc_edge.stages.search import quantize_within

    if data is None:
        raise click.UsageError("Found a budget without --data, expected frames to measure on.")
    budget = Budget(asked.max_miou_drop, asked.max_tc_drop, asked.budget_confidence or CONFIDENCE)
    report = quantize_within(
        bundle,
        out,
        recipe,
        data,
        budget,
        target,
        asked.report_split,
        asked.budget_frames,
        asked.keep_best,
        asked.allow_overlap,
        finetuning,
        progress(),
    )
    _print_report(report, budget)
    if not report.found.holds:
        certain = " for certain" if report.found.attempt.verdict == "unclear" else ""
        click.echo(
            f"nothing that was tried holds the budget{certain}" + ("" if report.bundle else "; nothing was written")
        )
        click.get_current_context().exit(1)


def _print_report(report: BudgetReport, budget: Budget) -> None:
    from etc_edge.quantization.search import pareto
    from etc_edge.report.budget import AttemptRow, print_attempts
    from etc_edge.report.table import print_results

    found = report.found
    rows = [
        AttemptRow(one.name, one.measured.drops, one.measured.upper, one.measured.int8_macs, one.verdict, front)
        for one, front in zip(found.attempts, pareto(found.attempts), strict=True)
    ]
    print_attempts(rows, budget.limits(), budget.confidence if budget.by_interval else None)
    _print_needed(report)
    for name, reason in found.skipped:
        click.echo(f"not tried: {name}: {reason}")
    if report.results is not None:
        click.echo(f"looked at {report.split} once:")
        print_results(report.results)
        if report.shared:
            click.echo(f"{report.shared} of its frames were tuned on: these figures flatter")
    if report.bundle is not None:
        click.echo(f"wrote {report.bundle.path}: {found.attempt.name}")


def _print_needed(report: BudgetReport) -> None:
    """Say how many frames would make clear what is not."""
    chosen = report.found.attempt
    if chosen.verdict != "unclear":
        return
    told = f"{chosen.name} is within the budget as measured, but {report.held_back} frames are too few to be sure"
    needed = report.frames_needed
    if needed is None:
        advice = "no number of frames would tell while a drop lies on its limit: allow more"
    elif needed <= report.frames_at_most:
        advice = f"about {needed} would tell: --budget-frames {needed}"
    else:
        advice = (
            f"about {needed} would tell, and this split allows {report.frames_at_most}: give more data or allow more"
        )
    click.echo(f"{told}; {advice}, or decide by what is measured: --budget-confidence 0.5")
