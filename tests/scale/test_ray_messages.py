"""What Ray prints about the cluster does not reach standard output."""

import logging

import pytest

from fer_core.scale.ray_messages import logged_standard_output


def test_standard_output_becomes_messages_of_the_log(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.INFO, "fer_core.scale.ray_messages"), logged_standard_output():
        print("(raylet) A node is lost.\n\n  details")
    print("the document")
    assert caplog.messages == ["(raylet) A node is lost.", "  details"]
    assert {record.levelname for record in caplog.records} == {"INFO"}
    assert capsys.readouterr() == ("the document\n", "")
