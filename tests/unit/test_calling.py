"""What the answer of a function means to those who call it."""

import pytest

from triggers.calling import Done, Failed, Refused, outcome_of

PROBLEM = {"content-type": "application/problem+json"}
BODY = b'{"type":"http://h/problems/sold-out","title":"Not enough is left","detail":"2 left","status":422}'


@pytest.mark.parametrize("status", [200, 202, 204])
def test_every_2xx_is_done(status: int) -> None:
    assert outcome_of(status, {}, b"") == Done()


@pytest.mark.parametrize("status", [400, 409, 410, 412, 413, 415, 422])
def test_a_refusal_with_a_problem_document_is_final_and_says_why(status: int) -> None:
    outcome = outcome_of(status, PROBLEM, BODY)
    assert outcome == Refused(f"{status} sold-out: 2 left")


@pytest.mark.parametrize("status", [301, 401, 403, 404, 405, 408, 425, 429, 500, 502, 503, 504])
def test_what_is_about_the_route_the_caller_or_the_moment_may_pass(status: int) -> None:
    assert isinstance(outcome_of(status, PROBLEM, BODY), Failed)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_of_something_in_between_is_not_the_functions(status: int) -> None:
    assert outcome_of(status, {"content-type": "text/html"}, b"<html>") == Failed(str(status))


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("100000", 60.0), ("soon", None), ("", None)])
def test_a_wish_to_wait_is_heard_within_reason(said: str, seconds: float | None) -> None:
    outcome = outcome_of(503, {"retry-after": said}, b"")
    assert isinstance(outcome, Failed)
    assert outcome.retry_after_s == seconds


def test_a_broken_problem_document_is_still_a_refusal() -> None:
    assert outcome_of(422, PROBLEM, b"{") == Refused("422")
