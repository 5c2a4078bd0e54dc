"""Policy injection: unknown text in a question or a policy file is refused."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machtiging.access.policy_decision import PolicyDenied
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import COLUMN_ENUMS, POLICY_COLUMNS, read_policy_rows
from machtiging.access.policy_request import FACT_FIELDS
from machtiging.kernel.errors import Fault
from tests.builders.applications import POLICIES
from tests.policies.policy_requests import make_policy_request

POLICY = Policy.load(POLICIES)
NASTY = [
    "*",
    "",
    " ",
    "self relative",
    "relative,allow",
    '"relative"',
    "relative\n",
    "p.eft",
    "r.capacity",
    "True",
    "1",
]
NASTY += [
    "relative || True",
    "__import__('os').system('id')",
    "relative'; DROP TABLE p; --",
    "\u202erelative",
    "RELATIVE",
]


def column_words(column):
    return {str(word) for word in COLUMN_ENUMS[column]}


@pytest.mark.parametrize("column", COLUMN_ENUMS)
@given(word=st.sampled_from(NASTY) | st.text(st.characters(codec="utf-8"), max_size=40))
def test_row_2_policy_injection_by_unknown_word_is_refused(column, word):
    class UnknownWord(str):
        """Text in place of an enum member, with the attribute that the engine reads."""

        value = property(str)

    answer = POLICY.decide(replace(make_policy_request(), **{column: UnknownWord(word)}))
    assert isinstance(answer, PolicyDenied) or word in column_words(column)


@pytest.mark.parametrize("fact", FACT_FIELDS)
@pytest.mark.parametrize("said", ["", 0, None, (), 0.0])
def test_row_2_falsy_fact_is_refused(fact, said):
    assert isinstance(POLICY.decide(replace(make_policy_request(), **{fact: said})), PolicyDenied)


@pytest.mark.parametrize("word", [word for word in NASTY if word not in ("*", "self relative")])
@pytest.mark.parametrize("column", COLUMN_ENUMS)
def test_row_2_policy_row_with_unknown_word_is_a_fault(tmp_path, column, word):
    cells = dict.fromkeys(POLICY_COLUMNS, "*") | {"id": "een", "eft": "allow", "because": "omdat", column: word}
    (tmp_path / "a.csv").write_text(
        ",".join(POLICY_COLUMNS) + "\n" + ",".join(cells[name] for name in POLICY_COLUMNS) + "\n"
    )
    with pytest.raises(Fault, match="beleid_onleesbaar"):
        read_policy_rows(tmp_path)
