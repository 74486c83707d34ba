"""The stream that says when there is something new: over real HTTP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest
from tests.dashboard.running import DEADLINE, Running

from homeward.dashboard.app import STREAMS


def read_stream(page: Running, into: list[str], opened: threading.Event, until: Callable[[str], bool]) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=DEADLINE) as stream:
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: {page.host}\r\nCookie: {page.cookie}\r\n\r\n".encode())
        text = ""
        while not until(text):
            got = stream.recv(4096)
            if not got:
                break
            text += got.decode()
            if "event: alive" in text:
                opened.set()
        into.append(text)


def test_the_stream_says_when_something_changed(page: Running) -> None:
    told: list[str] = []
    opened = threading.Event()
    reader = threading.Thread(target=read_stream, args=(page, told, opened, lambda text: "event: changed" in text))
    reader.start()
    assert opened.wait(DEADLINE)
    # The stream greets just before it starts to listen: speak until it has heard.
    for _ in range(200):
        page.call(page.service.changed())
        reader.join(0.05)
        if not reader.is_alive():
            break
    assert not reader.is_alive()
    assert "content-type: text/event-stream" in told[0].lower()


def test_open_streams_are_bounded_and_given_back(page: Running) -> None:
    streams: list[socket.socket] = []
    request = f"GET /events HTTP/1.1\r\nHost: {page.host}\r\nCookie: {page.cookie}\r\n\r\n".encode()
    try:
        for _ in range(STREAMS):
            streams.append(socket.create_connection(("127.0.0.1", page.port), timeout=DEADLINE))
            streams[-1].sendall(request)
            assert b"200 OK" in streams[-1].recv(4096)
        assert page.get("/events").status == 503
        assert page.get("/").status == 200
        streams.pop().close()
        for _ in range(200):
            again = socket.create_connection(("127.0.0.1", page.port), timeout=DEADLINE)
            streams.append(again)
            again.sendall(request)
            if b"200 OK" in again.recv(4096):
                break
        else:
            pytest.fail("a closed stream was not given back")
    finally:
        for stream in streams:
            stream.close()


def test_a_server_with_open_streams_stops_at_once(page: Running) -> None:
    told: list[str] = []
    opened = threading.Event()
    reader = threading.Thread(target=read_stream, args=(page, told, opened, lambda _: False))
    reader.start()
    assert opened.wait(DEADLINE)
    page.server.should_exit = True
    page.thread.join(DEADLINE)
    reader.join(DEADLINE)
    assert not page.thread.is_alive()
    assert not reader.is_alive()
