"""`make evaluate` on a folder of our own: what it finds, what it calls wrong, what it refuses."""

import gzip
import json
from pathlib import Path

import pytest

from corpus.evaluate import EvaluationError, cases, main

HEAD = "file\tlabel\tservice\tmethod\turl\twhat\n"
ANSWER = '<div class="a mZJni">x</div>'


def folder(path: Path, *rows: str, head: str = HEAD) -> str:
    (path / "manifest.tsv").write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
    (path / "answer.html").write_text(ANSWER, encoding="utf-8")
    (path / "plain.html.gz").write_bytes(gzip.compress(b"<p>x</p>"))
    har = {"log": {"entries": [{"request": {"method": "GET", "url": "https://www.google.com/async/folsrch?q=x"}}]}}
    (path / "one.har").write_text(json.dumps(har), encoding="utf-8")
    lines = [
        {"label": "use", "service": "claude-web", "method": "POST",
         "url": "https://claude.ai/api/organizations/1/chat_conversations/2/completion"},
        {"label": "negative", "service": "trap", "method": "POST", "url": "https://crm.example/v1/messages",
         "request_body": '{"to":"a"}'},
    ]  # fmt: skip
    (path / "cases.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return str(path)


RIGHT = (
    "answer.html\tpositive\tgoogle-aio\tGET\thttps://www.google.com/search?q=x\t",
    "plain.html.gz\tshell\tgoogle-aio\tGET\thttps://www.google.com/search?q=x\t",
    "one.har\tpositive\t\tmixed\t\t",
    "cases.jsonl\tmixed\tall\tmixed\t\t",
)


def test_a_folder_without_errors_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([folder(tmp_path, *RIGHT)]) == 0
    out = capsys.readouterr().out
    assert "5 cases, 0 wrong" in out
    assert "search" in out and "chat" in out


def test_each_error_is_named_and_the_end_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missed = RIGHT[1].replace("shell", "positive")
    alarm = RIGHT[0].replace("positive", "negative")
    other = RIGHT[0].replace("google-aio", "brave-answer")
    assert main([folder(tmp_path, missed, alarm, other)]) == 1
    out = capsys.readouterr().out
    assert "missed: plain.html.gz (google-aio): nothing" in out
    assert "false alarm: answer.html (google-aio): google-ai-overview/inline" in out
    assert "missed: answer.html (brave-answer): google-ai-overview/inline" in out
    assert "3 cases, 3 wrong" in out


@pytest.mark.parametrize(
    ("rows", "head", "problem"),
    [
        (["absent.html\tpositive\t\tGET\thttps://a.example/\t"], HEAD, "cannot be read"),
        (["answer.html\tperhaps\t\tGET\thttps://a.example/\t"], HEAD, "label 'perhaps' is none"),
        (["answer.html\tpositive\t\tGET\tno address\t"], HEAD, "is not the URL of a page"),
        (["answer.html\tpositive"], "file\tlabel\n", "line 2: has no url"),
        (["bad.jsonl\tmixed\t\t\t\t"], HEAD, "line 1: is no case"),
    ],
)
def test_a_folder_that_cannot_be_evaluated_is_one_error(
    tmp_path: Path, rows: list[str], head: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = folder(tmp_path, *rows, head=head)
    (tmp_path / "bad.jsonl").write_text('{"label": "use"}\n', encoding="utf-8")
    with pytest.raises(EvaluationError, match=problem):
        list(cases(Path(name)))
    assert main([name]) == 2
    assert problem in capsys.readouterr().err


def test_no_folder_is_a_usage_error() -> None:
    assert main([]) == 2
    assert main(["/nowhere/at/all"]) == 2
