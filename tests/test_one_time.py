"""One-time codes and PINs: right once, for a short while, too slow to guess; their secrets are the guard's own."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyotp import TOTP
from tests.strategies import hostile_text

from homeward.one_time import (
    KEYS_FILE,
    PEOPLE_LIMIT,
    WRONG_LIMIT,
    WRONG_SECONDS,
    CodeCheck,
    CodeRefused,
    KeysError,
    OneTimeCode,
    Pin,
    enrol_pin,
    enrol_telephone,
    provisioning,
    read_keys,
    withdraw,
)

ANNA, BEN = "person:anna", "person:ben"
RFC = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
"""The RFC's secret, “12345678901234567890”."""

START = 1_800_000_000.0
PIN = Pin.of("271828")


class Times:
    """Both clocks of a check, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.seconds = START, 50.0

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.seconds += seconds


class House:
    """A folder with Anna's telephone and Ben's PIN, and a guard that has run for a while."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.times = folder, Times()
        write(folder, f"{ANNA} = totp {RFC}\n{BEN} = pin {PIN.salt.hex()} {PIN.hash.hex()}\n")
        self.restart()
        self.times.pass_(90)

    def restart(self) -> None:
        self.codes = CodeCheck(self.folder, wall=lambda: self.times.wall, seconds=lambda: self.times.seconds)

    def code(self, steps: int = 0) -> str:
        return TOTP(RFC).at(self.times.wall, counter_offset=steps)

    def says(self, code: str, person: str = ANNA) -> str:
        try:
            self.codes.check(person, code)
        except CodeRefused as refused:
            return str(refused)
        return "right"


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / KEYS_FILE
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(at: int, code: str) -> None:
    """Appendix B, SHA-1, the last six of its eight digits."""
    step = at // 30
    assert OneTimeCode(RFC).steps(code, step) == [step]
    assert OneTimeCode(RFC).steps(code, step + 1) == [step]
    assert OneTimeCode(RFC).steps(code, step + 2) == []


def test_a_code_is_right_once(house: House) -> None:
    code = house.code()
    assert house.says(f"{code[:3]} {code[3:]}") == "right", "as telephones show it"
    assert "used before" in house.says(code)
    house.times.pass_(30)
    assert "used before" in house.says(code)
    assert house.says(house.code()) == "right"
    assert house.codes.refused == {"used": 2}


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_is_right_for_a_step_before_and_after(house: House, steps: int, right: bool) -> None:
    assert (house.says(house.code(steps)) == "right") is right


def test_an_older_code_is_of_no_use_after_a_newer_one(house: House) -> None:
    old, new = house.code(-1), house.code(0)
    assert house.says(new) == "right"
    assert "used before" in house.says(old)


def test_a_code_cannot_be_used_again_after_a_restart(house: House) -> None:
    for steps in (0, 1):
        code = house.code(steps)
        assert house.says(code) == "right"
        house.restart()
        assert "used before" in house.says(code)
        house.times.pass_(61)
        assert house.says(house.code()) == "right", "a minute later all is well"
        house.times.pass_(120)


def test_a_code_is_not_new_again_because_the_file_was_edited(house: House) -> None:
    code, text = house.code(), (house.folder / KEYS_FILE).read_text(encoding="utf-8")
    assert house.says(code) == "right"
    write(house.folder, "")
    assert "no code is set up" in house.says(code)
    write(house.folder, text)
    assert "used before" in house.says(code)


def test_of_those_who_were_deleted_no_more_is_remembered_than_of_the_others(house: House) -> None:
    for turn in range(2):
        names = [f"person:{turn}-{n}" for n in range(PEOPLE_LIMIT)]
        write(house.folder, "".join(f"{name} = totp {RFC}\n" for name in names))
        assert {house.says(house.code(), name) for name in names} == {"right"}
        assert len(house.codes._tries) == PEOPLE_LIMIT


def test_a_wall_clock_that_is_set_back_makes_no_code_new(house: House) -> None:
    code = house.code()
    assert house.says(code) == "right"
    house.times.wall -= 3600
    assert "used before" in house.says(house.code())


def test_after_five_wrong_codes_no_code_is_right_for_ten_minutes(house: House) -> None:
    for _ in range(WRONG_LIMIT):
        assert house.says("000000") == "that is not the code"
    assert house.says(house.code()) == "too many wrong codes; try again in 10 min"
    house.times.pass_(WRONG_SECONDS - 1)
    assert house.says(house.code()) == "too many wrong codes; try again in 1 min"
    house.times.pass_(1)
    assert house.says(house.code()) == "right"
    assert house.codes.refused == {"wrong": WRONG_LIMIT, "too many": 2}


def test_wrong_codes_count_for_ten_minutes_and_until_a_right_one(house: House) -> None:
    for _ in range(3 * WRONG_LIMIT):
        house.says("000000")
        house.times.pass_(WRONG_SECONDS / (WRONG_LIMIT - 1))
    assert house.says(house.code()) == "right"
    for _ in range(WRONG_LIMIT - 1):
        house.says("000000")
    house.times.pass_(30)
    assert house.says(house.code()) == "right"
    house.says("000000")
    house.times.pass_(30)
    assert house.says(house.code()) == "right"


def test_a_wall_clock_that_is_set_ahead_lets_nobody_guess_sooner(house: House) -> None:
    for _ in range(WRONG_LIMIT):
        house.says("000000")
    house.times.wall += 10 * WRONG_SECONDS
    assert "too many" in house.says(house.code())


def test_one_who_guesses_keeps_nobody_else_out(house: House) -> None:
    for _ in range(WRONG_LIMIT + 1):
        house.says("000000")
    assert house.says("271828", BEN) == "right"
    assert house.says("271828", BEN) == "right", "a PIN can be used again"
    assert house.says("271829", BEN) == "that is not the code"


def test_a_code_is_used_once_also_by_two_at_the_same_time(house: House) -> None:
    code, said = house.code(), list[str]()
    threads = [Thread(target=lambda: said.append(house.says(code))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count("right") == 1


@given(st.lists(st.tuples(hostile_text, st.one_of(hostile_text, st.from_regex(r"[0-9]{6,7}", fullmatch=True)))))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_given_is_refused(house: House, given: list[tuple[str, str]]) -> None:
    house.restart()
    codes = {house.code(steps) for steps in range(-1, 2)}
    for person, code in given:
        if code.replace(" ", "") not in codes:
            assert house.says(code) != "right"
        assert house.says(code, person) != "right"
    assert len(house.codes._tries) <= 2


# The file of secrets


def test_nobody_can_step_up_where_there_is_no_file(tmp_path: Path) -> None:
    codes = CodeCheck(tmp_path)
    assert codes.people() == frozenset()
    with pytest.raises(CodeRefused, match="no code is set up"):
        codes.check(ANNA, "123456")


def test_a_telephone_is_enrolled_by_the_address_in_its_qr_code(tmp_path: Path) -> None:
    address = urlsplit(enrol_telephone(tmp_path, ANNA))
    about = parse_qs(address.query)
    assert (address.scheme, address.netloc, address.path) == ("otpauth", "totp", "/Homeward:anna")
    assert about["issuer"] == ["Homeward"]
    times = Times()
    codes = CodeCheck(tmp_path, wall=lambda: times.wall, seconds=lambda: times.seconds)
    times.pass_(90)
    codes.check(ANNA, TOTP(about["secret"][0]).at(times.wall))
    assert codes.people() == {ANNA}


def test_secrets_are_written_for_the_guard_alone_and_whoever_is_deleted_is_out(tmp_path: Path) -> None:
    enrol_telephone(tmp_path, ANNA)
    before = read_keys(tmp_path)[ANNA]
    enrol_telephone(tmp_path, ANNA)
    enrol_pin(tmp_path, "ben = bar", "314159")
    path = tmp_path / KEYS_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == tmp_path.stat().st_uid
    keys = read_keys(tmp_path)
    assert keys[ANNA] != before
    assert isinstance(pin := keys["ben = bar"], Pin)
    assert pin.is_right("314159")
    assert withdraw(tmp_path, ANNA)
    assert not withdraw(tmp_path, ANNA)
    assert list(read_keys(tmp_path)) == ["ben = bar"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("pin", ["", "12345", "1234567890123", "12345a", "٣١٤١٥٩"])
def test_what_is_no_pin_is_not_written(tmp_path: Path, pin: str) -> None:
    with pytest.raises(ValueError, match="6 to 12 digits"):
        enrol_pin(tmp_path, BEN, pin)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("person", ["", " anna", "#anna", "a\nb", "\ud800", "x" * 129])
def test_a_name_that_no_line_can_hold_is_not_written(tmp_path: Path, person: str) -> None:
    with pytest.raises(KeysError, match="a person's name"):
        enrol_telephone(tmp_path, person)
    assert not list(tmp_path.iterdir())


def test_there_are_so_many_people_and_no_more(tmp_path: Path) -> None:
    lines = [f"person:{n} = totp {RFC}\n" for n in range(PEOPLE_LIMIT)]
    write(tmp_path, "".join(["# a word first\n", "\n", *lines]))
    assert len(read_keys(tmp_path)) == PEOPLE_LIMIT
    with pytest.raises(KeysError, match="delete one first"):
        enrol_telephone(tmp_path, ANNA)
    assert withdraw(tmp_path, "person:0")
    enrol_telephone(tmp_path, "person:0")
    write(tmp_path, "".join([*lines, f"{ANNA} = totp {RFC}\n"]))
    with pytest.raises(KeysError, match=f"line {PEOPLE_LIMIT + 1}: one line for each"):
        read_keys(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "person:anna = totp JBSWY3DPEHPK3PXPJBSWY3DP",
        "person:anna = totp JBSWY3DPEHPK3PXP0189JBSWY3DPEHPK",
        "person:anna = pin JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "person:anna = word JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        " = totp JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        "person:anna totp JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    ],
)
def test_a_line_that_cannot_be_understood_is_named_but_never_quoted(tmp_path: Path, line: str) -> None:
    write(tmp_path, f"# first\n{line}\n")
    with pytest.raises(KeysError, match="line 2: write “person:NAME = totp SECRET”") as caught:
        read_keys(tmp_path)
    assert "JBSW" not in f"{caught.value!r} {caught.value.__context__!r} {caught.value.__cause__!r}"


def test_sixteen_bytes_are_secret_enough(tmp_path: Path) -> None:
    write(tmp_path, f"{ANNA} = totp {'JBSWY3DPEHPK3PXPJBSWY3DPEI'.lower()}\n")
    assert list(read_keys(tmp_path)) == [ANNA]


def test_secrets_are_in_no_words_about_them() -> None:
    shown = f"{OneTimeCode(RFC)!r} {PIN!r}"
    assert RFC not in shown
    assert PIN.hash.hex() not in shown
    assert provisioning("person:", OneTimeCode(RFC)).startswith("otpauth://totp/Homeward:person%3A?")


@pytest.fixture
def misplaced(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path, write(tmp_path, f"{ANNA} = totp {RFC}\n")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_file_that_others_may_read_is_not_believed(misplaced: tuple[Path, Path], mode: int) -> None:
    folder, path = misplaced
    path.chmod(mode)
    with pytest.raises(KeysError, match="run: chmod 600"):
        read_keys(folder)


def test_only_a_plain_file_of_a_plausible_size_is_read(misplaced: tuple[Path, Path]) -> None:
    folder, path = misplaced
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    with pytest.raises(KeysError, match="plain file of ours"):
        read_keys(folder)
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(KeysError, match="must be a plain file"):
        read_keys(folder)
    path.unlink()
    for data in (b"\xff\xfe", b"#" * 70_000):
        path.write_bytes(data)
        path.chmod(0o600)
        with pytest.raises(KeysError, match="is no file of secrets"):
            read_keys(folder)


def test_a_folder_that_cannot_be_written_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(KeysError, match="cannot be written") as caught:
        enrol_pin(tmp_path / "missing", BEN, "314159")
    assert "\n" not in str(caught.value)
