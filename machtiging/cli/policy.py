"""`machtiging policy`: show the policy, play its scenarios, explain one decision."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from machtiging.access.policy_decision import PolicyAllowed
from machtiging.access.policy_request import FACT_FIELDS, PolicyRequest
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.cli.errors import ExitCode, err, out
from machtiging.delegation.rules import Act, Capacity
from machtiging.kernel.assurance import Assurance
from machtiging.settings import Settings

if TYPE_CHECKING:
    from machtiging.access.policy_engine import Policy

app = typer.Typer(help="The policy: show it, check it, explain it.", no_args_is_help=True)


def _load_policy() -> tuple[Policy, Path]:
    from machtiging.access.policy_engine import Policy

    directory = Settings().policies_dir
    with err.status("Reading the policy ..."):
        return Policy.load(directory), directory


@app.command("table")
def show_policy_table() -> None:
    """Show everything that the policy allows under a valid machtiging. Anything else is refused."""
    from machtiging.access import policy_report

    policy, _ = _load_policy()
    shown = Table("capacity", "sensitivity", "at level", "may", "letters about")
    for row in policy_report.build_policy_table(policy):
        themes = "everything" if len(row.themes) == len(Theme) else ", ".join(row.themes)
        shown.add_row(row.capacity, row.sensitivity, ", ".join(row.levels), ", ".join(row.acts), themes)
    out.print(shown)
    err.print(f"digest {policy.digest}")


@app.command("check")
def check_scenarios() -> None:
    """Play every scenario in `policies/scenarios`. Exit 1 when one has another result."""
    from machtiging.access import policy_report

    policy, directory = _load_policy()
    results = list(policy_report.check_scenarios(policy, policy_report.read_scenarios(directory / "scenarios")))
    wrong = [row for row in results if row.problems]
    for row in wrong:
        out.print(f"{row.location}: {row.story}", style="red", markup=False, highlight=False, soft_wrap=True)
        for problem in row.problems:
            out.print(f"   {problem}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(results) - len(wrong)} of {len(results)} stories come out.")
    if wrong:
        raise typer.Exit(ExitCode.FINDING)


@app.command("explain")
def explain_decision(
    capacity: Annotated[Capacity, typer.Argument(help="The capacity of the person that acts.")],
    act: Annotated[Act, typer.Argument(help="The action.")],
    theme: Annotated[Theme, typer.Argument(help="The theme of the letter.")],
    sensitivity: Annotated[Sensitivity, typer.Argument(help="The sensitivity of the letter.")] = Sensitivity.GEWOON,
    level: Annotated[Assurance, typer.Argument(help="The level of assurance of the login.")] = Assurance.SUBSTANTIAL,
    *,
    without: Annotated[
        list[str] | None,
        typer.Option(help="A missing fact: in_force, covered, act_given or chain_complete. May be repeated."),
    ] = None,
) -> None:
    """Explain one decision: allowed or refused, and the policy rows behind it. Exit 1 when refused."""
    from machtiging.access import policy_report

    missing = set(without or [])
    if unknown := missing - set(FACT_FIELDS):
        raise typer.BadParameter(f"unknown fact {min(unknown)}; choose from {', '.join(FACT_FIELDS)}")
    facts = {fact: fact not in missing for fact in FACT_FIELDS}
    policy, _ = _load_policy()
    found = policy_report.explain_decision(policy, PolicyRequest(capacity, act, theme, sensitivity, level, **facts))
    allowed = isinstance(found.decision, PolicyAllowed)
    out.print("allowed" if allowed else "refused", style="green" if allowed else "red")
    for fact in found.missing_facts:
        out.print(f"   missing fact: {fact}")
    for name, effect, because in found.rows:
        out.print(f"   {effect} {name}: {because}", markup=False, highlight=False, soft_wrap=True)
    if not allowed:
        raise typer.Exit(ExitCode.FINDING)
