"""One HTTP request: only to where its owner meant it to go, and bounded whatever the other side does."""

from __future__ import annotations

import asyncio
import ssl
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.http_peer import (
    Asked,
    HttpPeer,
    http_peer,
    peer_fixture,  # noqa: F401 - a fixture
)
from tests.mosquitto import Certificates, certificates_fixture  # noqa: F401 - a fixture

from homeward.responders.http_request import Address, HttpError, at_home, post, request, tls_context

SECRET = "a-long-secret-of-the-owner"
TLS = tls_context()


async def posted(url: str, *, tls: ssl.SSLContext = TLS, seconds: float = 5.0) -> None:
    await post(Address.read(url), {"content-type": "text/plain"}, b"hello", tls=tls, seconds=seconds)


async def refusal(url: str, *, tls: ssl.SSLContext = TLS, seconds: float = 5.0) -> str:
    with pytest.raises(HttpError) as error:
        await posted(url, tls=tls, seconds=seconds)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "ftp://home/x", "https://", "https://user@home/x", "https://user:secret@home/x", "https://home/a b",
        "https://home/a\r\nx: y", "https://höme/", "https://home:99999/", "https://home:x/", "https://home/#part",
        "//home/x", "http://8.8.8.8/x", "http://[2001:4860:4860::8888]/x", "https://home/" + "x" * 2048,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="write") as error:
        Address.read(url)
    assert "secret" not in str(error.value)
    assert len(str(error.value)) < 200


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address.read(text)
    except ValueError:
        return
    assert address.host
    assert 0 < address.port < 65536


def test_an_address_shows_host_and_port_only() -> None:
    address = Address.read(f"https://home.example/hook/{SECRET}?token=1")
    assert address.where == "home.example:443"
    assert address.origin == "https://home.example:443"
    assert address.path == f"/hook/{SECRET}?token=1"
    assert Address.read("http://[::1]:8080").where == "[::1]:8080"


@pytest.mark.parametrize(
    "near", ["127.0.0.1", "::1", "192.168.1.2", "10.1.1.1", "100.64.1.1", "fe80::1%eth0", "fd00::1"]
)
def test_what_is_not_routed_through_the_internet_is_at_home(near: str) -> None:
    assert at_home(near)


@pytest.mark.parametrize("far", ["8.8.8.8", "::ffff:8.8.8.8", "2001:4860:4860::8888", "224.0.0.1"])
def test_what_is_routed_through_the_internet_is_not(far: str) -> None:
    assert not at_home(far)


async def test_it_is_sent_as_it_is_meant(peer: HttpPeer) -> None:
    await posted(f"{peer.url}/hook/{SECRET}?a=b")
    (asked,) = peer.asked
    assert (asked.method, asked.path, asked.body) == ("POST", f"/hook/{SECRET}?a=b", b"hello")
    assert asked.headers["host"] == f"127.0.0.1:{peer.port}"
    assert asked.headers["content-type"] == "text/plain"
    assert asked.headers["connection"] == "close"


async def test_a_name_that_means_an_address_at_home_may_be_spoken_to_plainly(peer: HttpPeer) -> None:
    await posted(f"http://localhost:{peer.port}/")
    assert len(peer.asked) == 1


async def test_a_plain_name_that_leads_out_of_the_home_is_not_even_dialled(
    peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def public(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        return [(2, 1, 6, "", ("8.8.8.8", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", public)
    assert "write https://" in await refusal(f"http://pretends-to-be-home.example:{peer.port}/{SECRET}")
    assert peer.asked == []


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(peer: HttpPeer, status: int) -> None:
    peer.answer = f"HTTP/1.1 {status} Moved\r\nlocation: {peer.url}/elsewhere\r\ncontent-length: 0\r\n\r\n".encode()
    assert f"has moved (status {status})" in await refusal(f"{peer.url}/{SECRET}")
    assert len(peer.asked) == 1


async def test_a_refusal_says_why_without_what_is_secret(peer: HttpPeer) -> None:
    said = f"<p>POST /hook/{SECRET}\x1b[31m is   not\nallowed {'because ' * 2000}"
    peer.answer = f"HTTP/1.1 403 Forbidden\r\ncontent-length: {len(said)}\r\n\r\n{said}".encode()
    told = await refusal(f"{peer.url}/hook/{SECRET}")
    assert "refused with status 403 (<p>POST … [31m is not allowed because" in told
    assert len(told) < 200


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n", b"x" * 100_000, b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
    ],
)  # fmt: skip
async def test_what_is_no_answer_is_a_failure(peer: HttpPeer, answer: bytes) -> None:
    peer.answer = answer
    assert "no whole answer" in await refusal(f"{peer.url}/{SECRET}")


async def test_news_before_the_answer_is_passed_over(peer: HttpPeer) -> None:
    peer.answer = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    await posted(peer.url)


async def test_a_server_that_says_nothing_or_trickles_is_given_up(peer: HttpPeer) -> None:
    async def trickle(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    async def silence(_: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    for answer in (trickle, silence):
        peer.answer = answer
        began = time.monotonic()
        assert "no answer within 0.3 s" in await refusal(f"{peer.url}/{SECRET}", seconds=0.3)
        assert time.monotonic() - began < 5


async def test_a_body_without_end_is_not_read_to_its_end(peer: HttpPeer) -> None:
    async def flood(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    peer.answer = flood
    assert "status 500" in await refusal(peer.url)


async def test_nobody_there_is_a_failure_in_one_line(peer: HttpPeer) -> None:
    peer.refuse()
    assert "not reached" in await refusal(f"{peer.url}/{SECRET}")


async def test_a_certificate_is_checked_against_what_is_trusted(certificates: Certificates) -> None:
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates.certificate, certificates.key)
    trusting = tls_context(certificates.ca)
    async with http_peer(tls=server) as peer:
        await posted(peer.url, tls=trusting)
        assert "its certificate is not trusted" in await refusal(f"{peer.url}/{SECRET}")
        by_address = peer.url.replace("localhost", "127.0.0.2")
        assert await refusal(by_address, tls=trusting)
        assert len(peer.asked) == 1
        assert await refusal(f"http://localhost:{peer.port}/{SECRET}"), "plainly to a TLS port"


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "ca.crt"
    empty.touch()
    for path in (empty, tmp_path / "missing.crt"):
        with pytest.raises(ValueError, match=r"^[^\n]*\.crt: holds no certificates \([^\n]+\); name a file in PEM$"):
            tls_context(path)


# What comes as a stream


async def lines_of(peer: HttpPeer, limit: int = 10) -> list[bytes | None]:
    async with request("GET", Address.read(peer.url), {}, tls=TLS, seconds=5) as response:
        return [line async for line in response.lines(limit)]


def chunked(*parts: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x;a=b\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


async def test_lines_are_put_together_from_chunks(peer: HttpPeer) -> None:
    peer.answer = chunked(b"on", b"e\ntwo\n", b"\nthr", b"ee\nrest")
    assert await lines_of(peer) == [b"one", b"two", b"", b"three"], "what has no line end is no line"


@settings(deadline=None)  # each talks to a server
@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
async def test_lines_are_the_same_however_they_are_cut(lines: list[bytes], data: st.DataObject) -> None:
    text = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    async with http_peer(chunked(*(part for part in parts if part))) as peer:
        assert await lines_of(peer) == [line if len(line) <= 10 else None for line in lines]


async def test_a_line_without_end_takes_no_memory_and_ends_as_one(peer: HttpPeer) -> None:
    peer.answer = chunked(*[b"x" * 10_000] * 20, b"\nshort\n")
    assert await lines_of(peer) == [None, b"short"]


async def test_a_plain_body_ends_where_it_says_or_with_the_connection(peer: HttpPeer) -> None:
    peer.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\none\ntwo\n"
    assert await lines_of(peer) == [b"one"]
    peer.answer = b"HTTP/1.0 200 OK\r\n\r\none\ntwo\n"
    assert await lines_of(peer) == [b"one", b"two"]


@pytest.mark.parametrize(
    "answer",
    [
        b"transfer-encoding: chunked\r\n\r\n5\r\nx\n", b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        b"transfer-encoding: chunked\r\n\r\nfffffffff\r\n", b"transfer-encoding: gzip\r\n\r\nx\n",
        b"content-length: 9\r\n\r\nx\n", b"content-length: -9\r\n\r\nx\n",
        b"transfer-encoding: chunked\r\n\r\n" + b"1" * 20_000,
    ],
)  # fmt: skip
async def test_a_body_that_breaks_off_is_a_failure(peer: HttpPeer, answer: bytes) -> None:
    peer.answer = b"HTTP/1.1 200 OK\r\n" + answer
    with pytest.raises(HttpError, match=r"^127\.0\.0\.1:\d+: [^\n]+$"):
        await lines_of(peer)
