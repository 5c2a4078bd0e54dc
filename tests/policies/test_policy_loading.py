"""Loading policies/: every mistake is a fault with its file and line."""

import shutil

import pytest

from machtiging.access.policy_decision import DECISION_FAILED, PolicyDenied
from machtiging.access.policy_engine import Policy
from machtiging.access.policy_file import read_casbin_model, read_policy_rows
from machtiging.kernel.errors import Fault
from tests.builders.applications import POLICIES
from tests.policies.policy_requests import make_policy_request

POLICY_LINE = "proef,allow,relative,lezen,zorg,gewoon,laag,omdat"
HEADER = "id,eft,capacity,act,theme,sensitivity,level,because"


@pytest.fixture
def policies(tmp_path):
    shutil.copytree(POLICIES, tmp_path / "p")
    return tmp_path / "p"


def load_fault(policies):
    with pytest.raises(Fault) as fault:
        Policy.load(policies)
    return fault.value


def test_shipped_policy_loads(policies):
    assert Policy.load(policies).digest == Policy.load(POLICIES).digest


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("proef,allow,relative,lezen,zorg,gewoon,laag", id="a column too few"),
        pytest.param("proef,allow,relative,lezen,zorg,gewoon", id="two columns too few"),
        pytest.param(POLICY_LINE.replace("relative", "neighbour"), id="unknown capacity"),
        pytest.param(POLICY_LINE.replace("lezen", "doorsturen"), id="unknown act"),
        pytest.param(POLICY_LINE.replace("zorg", "auto"), id="unknown theme"),
        pytest.param(POLICY_LINE.replace("gewoon", "geheim"), id="unknown sensitivity"),
        pytest.param(POLICY_LINE.replace("laag", "middel"), id="unknown level"),
        pytest.param(POLICY_LINE.replace("allow", "perhaps"), id="unknown effect"),
        pytest.param(POLICY_LINE.replace("allow", "Allow"), id="effect with a capital"),
        pytest.param(POLICY_LINE.replace("lezen", "lezen lezen"), id="a word twice"),
        pytest.param(POLICY_LINE.replace("lezen", "lezen  lijst"), id="two spaces"),
        pytest.param(POLICY_LINE.replace("lezen", " lezen"), id="space before a word"),
        pytest.param(POLICY_LINE.replace("lezen", "* lijst"), id="star beside a word"),
        pytest.param(POLICY_LINE.replace("lezen", ""), id="empty cell"),
        pytest.param(POLICY_LINE.replace("lezen", '"lezen"'), id="quotes"),
        pytest.param(POLICY_LINE.replace("proef", "Proef 1"), id="id with a capital and a space"),
        pytest.param(POLICY_LINE.replace("proef", ""), id="no id"),
        pytest.param(POLICY_LINE.replace("omdat", " "), id="no reason given"),
        pytest.param(POLICY_LINE.replace("proef", "eigen-box"), id="id of a row in another file"),
        pytest.param(POLICY_LINE + "\n" + POLICY_LINE, id="the same row twice"),
        pytest.param("p, self, *, *", id="a line in Casbin's own format"),
        pytest.param("g,anybody,self", id="a role line"),
    ],
)
def test_invalid_policy_row_is_a_fault_with_file_and_line(policies, line):
    (policies / "zz.csv").write_text(f"# uitleg\n{HEADER}\n\n{line}\n")
    fault = load_fault(policies)
    assert fault.code == "beleid_onleesbaar"
    number = 5 if line.count(POLICY_LINE) == 2 else 4
    assert f"zz.csv:{number}: " in fault.private


@pytest.mark.parametrize("content", ["", "# niets\n", POLICY_LINE + "\n", HEADER.replace("eft", "effect") + "\n"])
def test_policy_file_without_header_is_a_fault(policies, content):
    (policies / "zz.csv").write_text(content)
    assert "zz.csv:1: " in load_fault(policies).private


def test_policy_file_that_is_no_text_is_a_fault(policies):
    (policies / "zz.csv").write_bytes(b"\xff\xfe\x00")
    assert "zz.csv:1: UnicodeDecodeError" in load_fault(policies).private


def test_policy_without_rows_is_a_fault(policies):
    for file in policies.glob("*.csv"):
        file.unlink()
    assert load_fault(policies).code == "beleid_leeg"


def test_policy_with_only_deny_rows_is_a_fault(policies):
    for file in policies.glob("*.csv"):
        if file.name != "verboden.csv":
            file.unlink()
    assert load_fault(policies).code == "beleid_leeg"


def test_missing_policy_directory_is_a_fault(tmp_path):
    assert load_fault(tmp_path / "nergens").code == "beleid_onleesbaar"


def test_missing_policy_model_is_a_fault(policies):
    (policies / "model.conf").unlink()
    assert "model.conf:1: FileNotFoundError" in load_fault(policies).private


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(" && !some(where (p.eft == deny))", "", id="no deny clause"),
        pytest.param("some(where (p.eft == allow)) && ", "", id="deny-override, which allows when nothing matches"),
        pytest.param(
            "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "priority(p.eft) || deny", id="order"
        ),
        pytest.param(" && r.in_force", "", id="a fact forgotten"),
        pytest.param(" && r.covered", " && r.covered || r.covered", id="an or"),
        pytest.param(" && r.covered", " && !r.covered", id="a not"),
        pytest.param("r.level in p.level", "r.level == p.level", id="a clause changed"),
        pytest.param("r.theme in p.theme && ", "", id="a column forgotten"),
        pytest.param(" && r.act_given", ' && r.act == "lezen"', id="a string literal"),
        pytest.param(" && r.act_given", " && eval(p.id)", id="eval"),
        pytest.param(" && r.act_given", " && r.covered", id="a clause twice in place of another"),
        pytest.param("m = ", "m2 = ", id="another matcher"),
        pytest.param("r = capacity, act", "r = act, capacity", id="fields swapped"),
        pytest.param("level, eft", "level", id="no effect column"),
        pytest.param("[matchers]", "[role_definition]\ng = _, _\n[matchers]", id="roles"),
        pytest.param("[matchers]", "[matchers]\nm = r.in_force", id="two matchers"),
        pytest.param("[matchers]", "[matchers]\n[other]", id="matcher in another section"),
        pytest.param("[request_definition]", "", id="no section"),
    ],
)
def test_altered_policy_model_is_a_fault(policies, old, new):
    text = (policies / "model.conf").read_text()
    assert old in text
    (policies / "model.conf").write_text(text.replace(old, new))
    fault = load_fault(policies)
    assert fault.code == "beleid_onleesbaar"
    assert "model.conf:" in fault.private


def test_policy_digest_covers_decisions_and_not_comments(policies):
    digest = Policy.load(policies).digest
    file = policies / "eigen.csv"
    file.write_text(file.read_text().replace("Iedereen mag", "Ieder mens mag"))
    assert Policy.load(policies).digest == digest
    file.write_text(file.read_text().replace("self,*", "self,lezen"))
    assert Policy.load(policies).digest != digest


class _Broken:
    def enforce_ex(self, *_values):
        raise RuntimeError("stuk")


class _Vague:
    def enforce_ex(self, *_values):
        return 1, ["eigen-box"]


@pytest.mark.parametrize("engine", [_Broken(), _Vague()])
def test_policy_engine_error_is_refused_and_not_cached(engine):
    policy = Policy(read_casbin_model(POLICIES), read_policy_rows(POLICIES))
    question = make_policy_request()
    sound = dict(policy._enforcers)
    policy._enforcers = dict.fromkeys(sound, engine)
    assert isinstance(policy.decide(question), PolicyDenied)
    if isinstance(engine, _Broken):
        assert policy.decide(question) == PolicyDenied(None, DECISION_FAILED)
        policy._enforcers = sound
        assert not isinstance(policy.decide(question), PolicyDenied)
