"""What README, the guide to deployment and the runbook tell an operator to set exists, and what they have to say is said."""

import re

import pytest

import model

README = (model.ROOT / "README.md").read_text()
GUIDE = (model.ROOT / "docs/deploy.md").read_text()
RUNBOOK = (model.ROOT / "docs/runbook.md").read_text()


def section(document, title):
    """The text of a section, on one line."""
    start = re.search(rf"^#+ {re.escape(title)}\n", document, re.MULTILINE)
    assert start, title
    return " ".join(re.split(r"^#+ ", document[start.end():], maxsplit=1, flags=re.MULTILINE)[0].split())


@pytest.mark.parametrize("document", [README, GUIDE, RUNBOOK], ids=["README", "guide", "runbook"])
def test_every_setting_that_is_shown_is_a_parameter_with_an_allowed_value(document):
    shown = re.findall(r"\b([A-Z][a-z]+(?:[A-Z][a-z]+)+)=([\w@.-]*)", document)
    assert shown
    for name, value in shown:
        parameter = model.template()["Parameters"][name]
        assert value in parameter.get("AllowedValues", [value]), f"{name}={value}"


def test_every_output_that_is_shown_is_one_of_the_stack():
    shown = set(re.findall(r"\$([A-Z][A-Za-z]+[a-z])\b", README + GUIDE + RUNBOOK)) | {"TopicArn", "OperationsTopicArn"}
    assert shown <= set(model.template()["Outputs"])


def test_the_first_deployment_that_is_shown_is_not_guided():
    for document in (README, GUIDE):
        commands = re.findall(r"^.*\bsam deploy .*", "".join(document.split("```")[1::2]), re.MULTILINE)
        assert commands
        assert not any("--guided" in command for command in commands)
    assert "`sam deploy --guided` asks for each parameter, and then writes all of them" in section(GUIDE, "Deploy")


def test_the_guide_sends_nobody_to_a_chat_that_shows_no_anomalies():
    words = section(GUIDE, "Subscribe")
    assert "Amazon Q Developer in chat applications does not show anomalies" in words
    assert "configure Amazon Q Developer" not in words


@pytest.mark.parametrize(("title", "words"), [
    ("Subscribe", "`sns.amazonaws.com` use `kms:GenerateDataKey*` and `kms:Decrypt`"),
    ("Deploy", "Larger batches need a window of at least 1 s"),
    ("Deploy", "The archive begins with the first record that is put after the deployment"),
    ("Clean up", "Firehose holds records back"),
    ("Clean up", "The key stays"),
])
def test_the_guide_says_what_would_surprise(title, words):
    assert words in section(GUIDE, title)


@pytest.mark.parametrize(("title", "words"), [
    ("Changing the key", "`PreviousKmsKey=` the key before"),
    ("Changing the key", "`kms:CreateGrant`"),
    ("Rejected records wait in quarantine", "for 14 days"),
    ("The detector is behind the stream (iterator age)", "by default an hour less than the stream keeps them and at most 7 days"),
    ("Nobody reads the stream (polling)", "get-event-source-mapping"),
])
def test_the_runbook_says_what_to_do(title, words):
    assert words in section(RUNBOOK, title)
