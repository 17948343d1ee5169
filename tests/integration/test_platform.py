"""The platform as `make run` starts it: what it serves, what it refuses, and that a killed program comes back."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import httpx
import pytest

from emulators.component import HOST, ComponentFailed, http_answers, wait_until
from emulators.platform import Platform, running_env
from emulators.up import only_one

DEADLINE_S = 30


def events_url(platform: Platform) -> str:
    return f"http://{HOST}:{platform.events_port}"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_both_processes_tell_how_they_are(platform: Platform, path: str) -> None:
    for url in (platform.url, events_url(platform)):
        assert httpx.get(url + path).status_code == 200


def test_an_unknown_path_is_a_problem(platform: Platform) -> None:
    reply = httpx.get(f"{platform.url}/v1/teapots")
    assert reply.status_code == 404
    assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_whoever_opens_it_in_a_browser_finds_the_reference(platform: Platform, path: str) -> None:
    reply = httpx.get(platform.url + path)
    assert reply.headers["content-type"].startswith("text/html")
    assert "<title>Cortado API</title>" in reply.text


def test_the_type_of_a_problem_is_the_address_of_its_page(platform: Platform) -> None:
    kind = httpx.get(f"{platform.url}/v1/teapots").json()["type"]
    assert httpx.get(kind).text.startswith("# There is no such thing")


def test_a_wrong_method_is_told_the_right_ones(platform: Platform) -> None:
    reply = httpx.delete(f"{platform.url}/v1/orders")
    assert reply.status_code == 405
    assert {"GET", "POST"} <= {method.strip() for method in reply.headers["allow"].split(",")}


@pytest.mark.parametrize("operation", ["confirm_order", "expire_unpaid_orders"])
def test_event_and_scheduled_functions_refuse_strangers(platform: Platform, operation: str) -> None:
    assert httpx.post(f"{events_url(platform)}/{operation}", json={}).status_code == 401


def test_functions_of_one_role_are_not_found_at_the_other(platform: Platform) -> None:
    assert httpx.post(f"{platform.url}/confirm_order", json={}).status_code == 404
    assert httpx.post(f"{events_url(platform)}/create_order", json={}).status_code == 404


@pytest.mark.parametrize("name", ["http", "events"])
def test_a_killed_function_process_comes_back(platform: Platform, name: str) -> None:
    killed = platform.supervisor.pids[name]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: platform.supervisor.pids[name] != killed, deadline_s=DEADLINE_S, what="a new process")
    port = platform.http_port if name == "http" else platform.events_port
    wait_until(lambda: http_answers(f"http://{HOST}:{port}/livez"), deadline_s=DEADLINE_S, what="its answer")


@pytest.mark.parametrize("name", ["relay", "dispatcher", "ticker"])
def test_a_killed_worker_comes_back(platform: Platform, name: str) -> None:
    killed = platform.supervisor.pids[name]
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: platform.supervisor.pids[name] != killed, deadline_s=DEADLINE_S, what="a new process")


def test_others_find_the_running_platform(platform: Platform) -> None:
    env = running_env(platform.workdir)
    assert env is not None
    assert env["PUBLIC_URL"] == platform.url
    assert (platform.workdir / "env.json").stat().st_mode & 0o077 == 0


def test_a_second_platform_on_the_same_data_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(ComponentFailed, match=rf"is starting or stopping, as process {os.getpid()}: ")
    with only_one(tmp_path), refused, only_one(tmp_path):
        raise AssertionError("two at once")


def test_whoever_starts_it_twice_is_told_where_it_is(platform: Platform) -> None:
    refused = pytest.raises(ComponentFailed, match=f"runs already at {platform.url}, as process {os.getpid()}: ")
    with only_one(platform.workdir), refused, only_one(platform.workdir):
        raise AssertionError("two at once")


def test_the_page_of_the_api_is_served(platform: Platform) -> None:
    assert "text/html" in httpx.get(f"{platform.url}/docs").headers["content-type"]
    described = httpx.get(f"{platform.url}/openapi.json", timeout=DEADLINE_S).json()
    assert "/v1/orders" in described["paths"]
