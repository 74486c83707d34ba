"""The key, and what is derived from it."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import pytest

from homeward.dashboard.security import (
    KEY_FILE,
    KeyFileError,
    admit_token,
    answer_token,
    enter_path,
    load_or_create_key,
    mode_token,
    rule_token,
    same,
    session_cookie,
    stand_down_token,
    step_up_token,
    undo_token,
    young_token,
)


def test_a_key_is_made_once_kept_and_only_for_us(tmp_path: Path) -> None:
    key = load_or_create_key(tmp_path)
    assert len(key) == 43
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert load_or_create_key(tmp_path) == key


def test_every_installation_has_a_key_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert load_or_create_key(tmp_path / "one") != load_or_create_key(tmp_path / "two")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    load_or_create_key(tmp_path)
    (tmp_path / KEY_FILE).chmod(mode)
    with pytest.raises(KeyFileError, match=r"others may read it .*chmod 600") as caught:
        load_or_create_key(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "short\n", "x" * 44, "\u00e9" * 43])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_text(content)
    (tmp_path / KEY_FILE).chmod(0o600)
    with pytest.raises(KeyFileError, match="holds no key"):
        load_or_create_key(tmp_path)


def test_a_key_behind_a_link_or_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    load_or_create_key(tmp_path / "a")
    (tmp_path / "b" / KEY_FILE).symlink_to(tmp_path / "a" / KEY_FILE)
    with pytest.raises(KeyFileError, match="plain file"):
        load_or_create_key(tmp_path / "b")
    with pytest.raises(KeyFileError, match="check the folder"):
        load_or_create_key(tmp_path / "missing")


def test_nothing_derived_tells_the_key_or_another_act() -> None:
    key = "k" * 43
    made = [
        *session_cookie(key),
        answer_token(key, "i1", "household", "page"),
        answer_token(key, "i2", "household", "page"),
        answer_token(key, "i1", "ada", "page"),
        answer_token(key, "i1", "household", "cli"),
        answer_token("j" * 43, "i1", "household", "page"),
        answer_token(key, "i1,household", "page", ""),
        undo_token(key, "i1", "household", "page"),
        stand_down_token(key, "household", "page"),
        mode_token(key, "arm", "household", "page"),
        mode_token(key, "disarm", "household", "page"),
        young_token(key, "household", "page"),
        admit_token(key, "camera", "approve", "household", "page"),
        admit_token(key, "camera", "refuse", "household", "page"),
        admit_token(key, "lamp", "approve", "household", "page"),
        rule_token(key, "add", "camera", "household", "page"),
        rule_token(key, "change", "s1", "household", "page"),
        rule_token(key, "delete", "s1", "household", "page"),
        step_up_token(key, "household", "page"),
    ]
    assert all(a != b for a, b in itertools.combinations(made, 2))
    assert all(key not in one for one in made)


def test_secrets_are_compared_whatever_they_are_made_of() -> None:
    assert same("abc", "abc")
    assert not same("abc", "abd")
    assert not same("", "abc")
    assert not same("\ud800\u00e9", "abc")


def test_the_link_carries_the_key() -> None:
    assert enter_path("a_b-c") == "/enter?key=a_b-c"
