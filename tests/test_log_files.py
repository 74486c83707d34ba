"""A growing log is read line by line, whatever happens to it, and no line is told twice."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from homeward.sources import log_files
from homeward.sources.log_files import LINE_LIMIT, Bookmarks, Follower, LogError, Mark, read_lines

KEY, OTHER = "a" * 16, "b" * 16


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "conn.log"


def write(log: Path, text: str | bytes) -> None:
    with log.open("ab") as file:
        file.write(text.encode() if isinstance(text, str) else text)


def following(log: Path, refused: Counter[str] | None = None) -> Follower:
    """A follower of a log that is still empty."""
    log.touch()
    follower = Follower(log, Counter() if refused is None else refused)
    assert follower.open()
    return follower


def lines(follower: Follower) -> list[bytes]:
    """Everything that can be read now; several looks, as one finds that the log was rotated."""
    found = []
    for _ in range(8):
        found += [line for _, line in follower.read()]
    return found


def test_it_begins_at_the_end_and_goes_on_as_the_log_grows(log: Path) -> None:
    write(log, "old\n")
    follower = Follower(log, Counter())
    assert lines(follower) == []
    write(log, "new\nnewer\r\n\n")
    assert lines(follower) == [b"new", b"newer", b""]
    assert lines(follower) == []


def test_it_can_begin_before_the_end_at_the_beginning_of_a_line(log: Path) -> None:
    write(log, "first\nsecond\nthird\n")
    assert lines(Follower(log, Counter(), before=8)) == [b"second", b"third"]
    assert lines(Follower(log, Counter(), before=1_000)) == [b"first", b"second", b"third"]


def test_half_a_line_waits_for_its_other_half(log: Path) -> None:
    write(log, "whole\nha")
    refused: Counter[str] = Counter()
    follower = Follower(log, refused)
    assert lines(follower) == []  # it begins with the half line, not in the middle of it
    write(log, "l")
    assert lines(follower) == []
    write(log, "f\n")
    assert lines(follower) == [b"half"]
    assert not refused


def test_a_log_that_is_not_there_yet_is_read_from_its_beginning(log: Path) -> None:
    follower = Follower(log, Counter())
    assert lines(follower) == []
    assert follower.is_missing
    write(log, "first\n")
    assert lines(follower) == [b"first"]


def test_a_log_that_is_renamed_is_read_to_its_end_and_then_the_new_one(log: Path) -> None:
    refused: Counter[str] = Counter()
    follower = following(log, refused)
    write(log, "1\n")
    assert lines(follower) == [b"1"]
    old = log.rename(log.with_name("conn-26-05-28_20.00.00.log"))
    write(old, "2\n")
    assert lines(follower) == [b"2"]
    log.touch()  # logrotate makes it; the writer has the old one open still
    write(old, "3\nhal")
    assert lines(follower) == [b"3"]
    write(log, "4\n")
    assert lines(follower) == [b"4"]
    assert refused == {"malformed": 1}  # the half line


def test_a_log_that_is_rotated_twice_between_two_looks_is_read_whole(log: Path) -> None:
    follower = following(log)
    write(log, "1\n")
    for number in (1, 2, 3):
        renamed = log.rename(log.with_name(f"conn.log.{4 - number}"))
        os.utime(renamed, ns=(number, number * 10**9))
        write(log, f"{number + 1}\n")
    write(log.with_name("conn-summary.log"), "no log of connections\n")
    write(log.with_name("connection.log"), "nor this\n")
    assert lines(follower) == [b"1", b"2", b"3", b"4"]


def test_a_log_that_is_cut_short_begins_anew(log: Path) -> None:
    refused: Counter[str] = Counter()
    follower = following(log, refused)
    write(log, "1\n2\n3\nha")
    assert lines(follower) == [b"1", b"2", b"3"]
    os.truncate(log, 0)
    write(log, "4\n")
    assert lines(follower) == [b"4"]
    assert refused == {"malformed": 1}


def test_a_log_that_is_cut_short_and_has_grown_again_is_noticed_by_how_it_begins(log: Path) -> None:
    follower = following(log)
    write(log, "1\n2\n")
    assert lines(follower) == [b"1", b"2"]
    os.truncate(log, 0)
    write(log, "3\n4\n5\n6\n")
    assert lines(follower) == [b"3", b"4", b"5", b"6"]


def test_a_line_without_end_costs_no_memory(log: Path) -> None:
    refused: Counter[str] = Counter()
    follower = following(log, refused)
    write(log, b"x" * (LINE_LIMIT + 1) + b"\nnext\n" + b"y" * (3 * LINE_LIMIT))
    assert lines(follower) == [b"next"]
    for _ in range(20):
        write(log, b"y" * LINE_LIMIT)
        assert lines(follower) == []
        assert len(follower._partial) <= LINE_LIMIT
    write(log, "\nlast\n")
    assert lines(follower) == [b"last"]
    assert refused == {"too long": 2}


def test_the_header_comes_first_where_reading_begins_behind_it(log: Path) -> None:
    write(log, "\t#separator \\x09\n#fields\tts\nold\n")
    follower = Follower(log, Counter())
    assert lines(follower) == [b"\t#separator \\x09", b"#fields\tts"]
    write(log, "new\n")
    assert lines(follower) == [b"new"]


def test_what_is_no_plain_file_or_may_not_be_read_is_said_in_one_line(log: Path) -> None:
    os.mkfifo(log)
    with pytest.raises(LogError, match=r"^[^\n]+is no plain file$"):
        Follower(log, Counter()).read()
    log.unlink()
    log.symlink_to(log)
    with pytest.raises(LogError, match=r"^[^\n]+cannot be read[^\n]+$"):
        Follower(log, Counter()).read()


# After a restart ----------------------------------------------------------------------------------------------------


def mark_of(follower: Follower) -> Mark:
    (*_, (offset, _)) = follower.read()
    return Mark(follower.file, offset)


@pytest.mark.parametrize("rotations", [0, 1, 3])
def test_after_a_restart_it_goes_on_where_it_was_however_often_the_log_was_rotated(log: Path, rotations: int) -> None:
    follower = following(log)
    write(log, "1\n2\n")
    mark = mark_of(follower)
    write(log, "3\n")
    for number in range(rotations):
        renamed = log.rename(log.with_name(f"conn-26-05-28_{number:02d}.00.00.log"))
        os.utime(renamed, ns=(number, number * 10**9))
        write(log, f"{number + 4}\n")
    refused: Counter[str] = Counter()
    after = Follower(log, refused)
    assert after.resume(mark)
    assert lines(after) == [f"{number}".encode() for number in range(3, 4 + rotations)]
    assert not refused


def test_after_a_restart_a_log_that_was_archived_meanwhile_is_counted_and_the_new_one_read_whole(log: Path) -> None:
    follower = following(log)
    write(log, "1\n")
    mark = mark_of(follower)
    log.rename(log.with_name("gone"))
    write(log, "2\n")
    refused: Counter[str] = Counter()
    after = Follower(log, refused)
    assert not after.resume(mark)
    assert refused == {"rotated away": 1}
    assert lines(after) == [b"2"]


def test_another_file_under_the_same_inode_is_not_taken_for_the_log(log: Path) -> None:
    follower = following(log)
    write(log, "1\n")
    mark = mark_of(follower)
    os.truncate(log, 0)
    write(log, "2\n3\n")
    after = Follower(log, Counter())
    assert not after.resume(mark)
    assert lines(after) == [b"2", b"3"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\n", b"rotate", b"read"])), max_size=30))
def test_whatever_is_written_each_whole_line_is_read_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, steps: list[bytes]
) -> None:
    log = tmp_path_factory.mktemp("any") / "conn.log"
    follower = following(log)
    written, found = [b""], []
    for number, step in enumerate(steps):
        if step == b"rotate":
            os.utime(log.rename(log.with_name(f"conn.log.{number}")), ns=(number, number))
            write(log, b"#\n")
            written += [b"#\n"]
        elif step == b"read":
            found += lines(follower)
        else:
            write(log, step)
            written[-1] += step
    found += lines(follower) + [line for _ in steps for line in lines(follower)]
    assert found == [line.rstrip(b"\r") for text in written for line in text.split(b"\n")[:-1]]


def test_a_finished_log_is_read_once_also_when_it_is_compressed(tmp_path: Path) -> None:
    plain, packed = tmp_path / "conn.log", tmp_path / "conn.log.gz"
    plain.write_bytes(b"1\r\n2\n3")
    packed.write_bytes(gzip.compress(b"1\n2\n3\n"))
    assert list(read_lines(plain)) == list(read_lines(packed)) == [b"1", b"2", b"3"]
    packed.write_bytes(packed.read_bytes()[:-9])
    for broken in (packed, tmp_path / "nowhere.log"):
        with pytest.raises(LogError, match=r"^[^\n]+cannot be read to its end[^\n]+$"):
            list(read_lines(broken))


# What was told ------------------------------------------------------------------------------------------------------


def mark(offset: int, file: str = "1") -> Mark:
    return Mark(f"{file}-256-{'0' * 16}", offset)


def test_a_delivery_is_settled_when_a_later_one_makes_it_needless() -> None:
    marks = Bookmarks()
    first = marks.name(mark(0), 7, KEY, mark(10))
    other = marks.name(mark(0), 7, OTHER, mark(20))
    rest = marks.name(mark(0), 7, KEY, mark(30))
    assert marks.committed([first, other]) == []
    assert marks.committed([rest]) == [first]
    later = marks.name(mark(30), 8, KEY, mark(40))
    assert marks.committed(["0:never heard of"]) == []
    assert sorted(marks.committed([later])) == sorted([other, rest])
    assert marks.committed([later]) == []


def test_after_a_restart_what_was_told_of_each_kind_is_known() -> None:
    before = Bookmarks()
    names = [
        before.name(mark(0), 7, KEY, mark(10)),  # of a window that is over
        before.name(mark(50), 8, KEY, mark(60)),
        before.name(mark(50), 8, KEY, mark(90)),
        before.name(mark(50), 8, OTHER, mark(70)),
    ]
    after = Bookmarks(["what another version wrote", *names])
    assert after.begin == mark(50)
    assert after.minute == 8
    assert sorted(after.committed([])) == sorted(["what another version wrote", names[0], names[1]])
    assert [after.told(KEY, mark(offset)) for offset in (60, 90, 91)] == [True, True, False]
    assert [after.told(OTHER, mark(offset)) for offset in (70, 80)] == [True, False]
    assert not after.told("c" * 16, mark(55))
    after.resumed()
    assert not after.told(KEY, mark(60))


def test_what_was_told_from_a_later_file_covers_all_of_an_earlier_one() -> None:
    before = Bookmarks()
    name = before.name(mark(50, "1"), 8, KEY, mark(20, "2"))
    after = Bookmarks([name])
    assert after.told(KEY, mark(1_000, "1"))
    assert after.told(KEY, mark(20, "2"))
    assert not after.told(KEY, mark(30, "2"))
    assert not after.told(KEY, mark(10, "3"))


def test_names_that_the_journal_could_never_hold_are_forgotten() -> None:
    marks = Bookmarks()
    for number in range(100):
        marks.name(mark(0), 7, KEY, mark(number))
    marks.committed([marks.name(mark(0), 7, KEY, mark(100))])
    assert not marks._open


def test_the_limits_leave_room_for_one_line() -> None:
    assert log_files.CHUNK > LINE_LIMIT > log_files.HEADER_LIMIT > log_files.HEAD
