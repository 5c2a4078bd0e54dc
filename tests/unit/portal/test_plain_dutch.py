"""Dutch words for every code on a page; unknown codes are not shown."""

import ast
from pathlib import Path

import pytest

from machtiging.access import verdict
from machtiging.agencies.rules import Sensitivity, Theme
from machtiging.audit.acts import LISTED_ACT_PREFIXES, JournalAct
from machtiging.delegation.authority import stop_reasons
from machtiging.delegation.rules import Act, Capacity, EffectiveState, EndReason, scope_violation
from machtiging.kernel.errors import ROW_INVALID
from machtiging.message_catalogue import ENGLISH, has_message, use_language
from machtiging.portal import labels

SHOWN = [act.value for act in JournalAct if act.value.startswith(LISTED_ACT_PREFIXES)]


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (labels.STANDING_LABELS, EffectiveState),
        (labels.ENDED_LABELS, EndReason),
        (labels.CAPACITY_LABELS, Capacity),
        (labels.THEME_LABELS, Theme),
        (labels.SENSITIVITY_LABELS, Sensitivity),
        (labels.ACT_LABELS, Act),
        (labels.CONFIRMATION_TEXTS, labels.CompletedAction),
    ],
    ids=["standing", "end", "capacity", "theme", "sensitivity", "act", "done"],
)
def test_every_enum_member_has_dutch_words(table, kind):
    assert set(table) == set(kind)


@pytest.mark.parametrize("act", SHOWN)
def test_every_act_in_the_overview_has_dutch_words(act):
    assert act in labels.JOURNAL_ACT_PHRASES


@pytest.mark.parametrize("act", [act for act in SHOWN if act not in ("grant:verleend", "grant:beeindigd")])
def test_every_refused_act_has_dutch_words(act):
    assert labels.describe_act(act, refused=True) != labels.describe_act("nooit:gehoord", refused=True)


def codes_in(module) -> set[str]:
    """Every string in a module that looks like a reason code."""
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {one for one in strings if "_" in one and one.islower() and one.isidentifier()}


def test_every_guard_reason_has_a_sentence():
    from machtiging.delegation import rules

    outside = {
        code for code in codes_in(rules) if code.endswith(("_afgesproken", "_uitgesloten", "te_gevoelig", "te_oud"))
    }
    assert scope_violation is not None
    assert (
        outside | {code for code in codes_in(verdict) if code != "bericht_onbekend"} <= labels.REASON_SENTENCES.keys()
    )


def test_words_of_a_state_an_act_and_a_reason_follow_the_language():
    with use_language(ENGLISH):
        assert labels.STANDING_LABELS[EffectiveState.PAUSED] == "Paused"
        assert labels.describe_act("bericht:lezen", refused=False, sender="SVB") == "read a letter from SVB"
        assert labels.describe_reason("te_oud") == "The letter is older than you agreed."
        assert labels.join_phrases(["a", "b", "c"]) == "a, b and c"
    assert labels.STANDING_LABELS[EffectiveState.PAUSED] == "Op pauze"
    assert labels.describe_act("bericht:lezen", refused=False, sender="SVB") == "las een brief van SVB"


def test_unknown_reason_has_a_general_sentence():
    assert labels.describe_reason("nooit_gehoord") == "Dit mocht niet."


@pytest.mark.parametrize("code", [None, "", "toverij", "Aangenomen", "ACCEPTED"])
def test_unknown_message_code_is_not_shown(code):
    assert labels.describe_completed_action(code) is None


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a en b"), (["a", "b", "c"], "a, b en c")]
)
def test_enumeration_is_written_in_dutch(parts, text):
    assert labels.join_phrases(parts) == text


def test_every_stop_code_has_a_sentence_for_giver_and_helper():
    codes = {*stop_reasons.StopCode, *stop_reasons.ROOT_CODES.values(), *stop_reasons.ASSIGNMENT_CODES.values()}
    for code in codes | {stop_reasons.CHAIN_INVALID, stop_reasons.NOT_ASSIGNED, ROW_INVALID}:
        assert code in labels.REASON_SENTENCES
        assert has_message(f"{code}.reading"), code
