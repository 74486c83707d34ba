from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.bench.masquerade import METHODS, markdown, run, splice, table
from homeward.bench.masquerade.commands import COLUMNS, Block, User, load
from homeward.bench.masquerade.judge import HELD_MOST, Judged, area, area_interval, figures, follow, threshold
from homeward.bench.masquerade.peers import MarkovChain, NaiveBayes, NeverSeen
from homeward.bench.masquerade.person import Anywhere, Person
from homeward.sources.files import FileError

COMMON = ("ls", "cd", "cat", "vi", "more", "mail")

History = list[tuple[str, Sequence[str], str]]
"""User, commands of a block, label; in the file's order."""


def typed(number: int, random: Random, length: int = 100) -> list[str]:
    """What user ``number`` types: mostly own tools, each with its own next."""
    tools = [f"tool{number}", f"tool{number % 5}", COMMON[number % len(COMMON)]]
    commands: list[str] = []
    while len(commands) < length:
        commands += [random.choice(tools), random.choice(tools) if random.random() < 0.7 else random.choice(COMMON)]
    return commands[:length]


def history(users: int = 8, labelled: int = 2, later: int = 30) -> History:
    """The first users are labelled; every sixth of their later blocks was typed by user 99."""
    random = Random(7)
    found: History = []
    for number in range(users):
        own = number < labelled
        for _ in range(50):
            found.append((f"user{number}", typed(number, random), "0" if own else ""))
        for block in range(later if own else 0):
            foreign = block % 6 == 5
            found.append((f"user{number}", typed(99 if foreign else number, random), "1" if foreign else "0"))
    return found


def write(path: Path, rows: History, columns: Sequence[str] = COLUMNS) -> Path:
    blocks: dict[str, int] = {}
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for user, commands, label in rows:
            block = blocks[user] = blocks.get(user, -1) + 1
            writer.writerows((user, block, place, command, label) for place, command in enumerate(commands))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("commands")
    write(made / "shell.commands.csv.gz", history())
    return made


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    return run(folder)


def test_the_result_has_the_agreed_shape(result: dict[str, Any]) -> None:
    assert {"auc", "auc_low", "auc_high", "hits_at_5pct", "users", "seed", "reasons"} <= set(result)
    assert set(result["users"]) == {"user0", "user1"}
    for user in result["users"].values():
        assert (user["own"], user["masquerades"]) == (25, 5)
        assert 0 <= user["auc"] <= 1
    assert list(result["methods"]) == list(result["spliced"]) == list(METHODS)
    assert result["methods"]["homeward"]["auc"] == result["auc"]
    assert set(result["spliced"]["homeward"]["users"]) == {f"user{number}" for number in range(2, 8)}
    for found in (*result["methods"].values(), *result["spliced"].values()):
        assert 0 <= found["auc_low"] <= found["auc"] <= found["auc_high"] <= 1
        assert 0 <= found["hits_low"] <= found["hits_at_5pct"] <= found["hits_high"] <= 1
    assert result["reasons"] == {}


def test_somebody_else_is_told_from_the_user(result: dict[str, Any]) -> None:
    assert result["auc"] > 0.95
    assert result["hits_at_5pct"] > 0.8
    assert result["spliced"]["homeward"]["auc"] > 0.95


def test_the_same_seed_gives_the_same_bytes_and_another_other_splices(folder: Path, result: dict[str, Any]) -> None:
    steps: list[tuple[int, int]] = []
    again = run(folder, progress=lambda done, total, what: steps.append((done, total)))
    assert json.dumps(again) == json.dumps(result)
    assert steps == [(step, 5) for step in range(1, 6)]
    other = run(folder, seed=1, methods=["never_seen"])
    assert other["auc"] == result["methods"]["never_seen"]["auc"]
    assert other["spliced"]["never_seen"] != result["spliced"]["never_seen"]


def test_labels_change_no_score(tmp_path: Path, folder: Path, result: dict[str, Any]) -> None:
    """With all labels turned round, every score is the same, so that the area is that of the other side."""
    turned = [
        (user, commands, {"0": "1", "1": "0"}.get(label, "") if place % 80 >= 50 else label)
        for place, (user, commands, label) in enumerate(history()[:160])
    ]
    write(tmp_path / "shell.commands.csv.gz", [*turned, *history()[160:]])
    other = run(tmp_path, methods=["homeward"])
    for name, user in other["users"].items():
        assert user["auc"] == pytest.approx(1 - result["users"][name]["auc"], abs=2e-6)
        assert user["held"] == {
            "own": result["users"][name]["held"]["masquerades"],
            "masquerades": result["users"][name]["held"]["own"],
        }


def test_a_folder_without_histories_has_reasons_instead_of_figures(tmp_path: Path) -> None:
    empty = run(tmp_path)
    assert (empty["auc"], empty["hits_at_5pct"], empty["users"]) == (None, None, {})
    assert set(empty["reasons"]) == {"masquerade", "spliced"}
    assert "No figure for masquerade" in table(empty)
    assert "No figure for spliced" in markdown(empty)


def test_users_of_several_files_are_told_apart_and_are_no_background_of_each_other(tmp_path: Path) -> None:
    rows = history(users=3, labelled=1, later=12)
    write(tmp_path / "one.commands.csv.gz", rows)
    alone = run(tmp_path, methods=["homeward"])
    write(tmp_path / "two.commands.csv.gz", history(users=4, labelled=1, later=18))
    both = run(tmp_path, methods=["homeward"])
    assert set(both["users"]) == {"one/user0", "two/user0"}
    assert both["users"]["one/user0"]["auc"] == alone["users"]["user0"]["auc"]


def test_the_table_and_the_page_tell_the_figures(result: dict[str, Any]) -> None:
    shown, page = table(result), markdown(result, command="homeward bench masquerade")
    for word in ("all users", "spliced", "naive_bayes", "user1", f"{result['auc']:.4f}"):
        assert word in shown
        assert word in page
    assert "`homeward bench masquerade --seed 1000`" in page.splitlines()[-1]
    assert "NaN" not in shown


def test_a_user_without_others_is_judged_all_the_same(tmp_path: Path) -> None:
    write(tmp_path / "lonely.commands.csv.gz", history(users=1, labelled=1, later=12))
    found = run(tmp_path)
    assert found["auc"] > 0.9
    assert set(found["reasons"]) == {"spliced"}
    assert found["methods"]["naive_bayes"]["auc"] is not None


# The protocol -------------------------------------------------------------------------------------------------------


class Scripted:
    """Scores blocks by the number that they hold, and remembers what it learned."""

    def __init__(self) -> None:
        self.learned: list[float] = []

    def score(self, commands: Sequence[str]) -> float:
        return float(commands[0])

    def learn(self, commands: Sequence[str]) -> None:
        self.learned.append(float(commands[0]))


def blocks(*scores: float, masquerade: bool | None = False) -> list[Block]:
    return [Block(commands=(str(score),), masquerade=masquerade) for score in scores]


def test_a_block_that_would_alarm_is_held() -> None:
    method = Scripted()
    judged = follow(method, blocks(*[-1.0] * 30), [*blocks(-2, 3), *blocks(4, masquerade=True)], limit=0)
    assert method.learned == [-1.0] * 30 + [-2.0]
    assert judged == Judged(own=(-2, 3), masquerades=(4,), own_held=1, masquerades_held=1)


def test_somebody_who_has_changed_for_good_is_learned_again() -> None:
    method = Scripted()
    judged = follow(method, blocks(*[-1.0] * 30), blocks(*[3.0] * 20), limit=0)
    assert judged.own_held == HELD_MOST
    assert method.learned[-(20 - HELD_MOST) :] == [3.0] * (20 - HELD_MOST)


def test_a_limit_of_its_own_comes_from_the_teaching_blocks() -> None:
    teaching = [*blocks(*[90.0] * 10), *blocks(*(float(score) for score in range(1, 41)))]
    method = Scripted()
    judged = follow(method, teaching, [*blocks(*[0.0] * 16), *blocks(38, 39)], limit=None)
    assert judged.own_held == 1  # 38 of 40 are 95 %; the first ten blocks do not count
    assert method.learned[-1] == 38


def test_a_block_without_a_label_is_learned_but_not_judged() -> None:
    method = Scripted()
    judged = follow(method, blocks(-1), blocks(-3, masquerade=None), limit=0)
    assert (judged.own, judged.masquerades, method.learned) == ((), (), [-1, -3])


# The figures --------------------------------------------------------------------------------------------------------

scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(scores, scores)
def test_the_area_is_the_share_of_pairs_in_order(masquerades: list[float], own: list[float]) -> None:
    pairs = [1.0 if m > o else 0.5 if m == o else 0.0 for m in masquerades for o in own]
    assert area(masquerades, own) == pytest.approx(sum(pairs) / len(pairs))


@given(scores)
def test_at_most_one_in_twenty_lies_above_the_threshold(own: list[float]) -> None:
    many = [*own, *own, *own]
    limit = threshold(many)
    assert sum(score > limit for score in many) <= 0.05 * len(many)
    lower = [score for score in many if score < limit]
    assert not lower or sum(score > max(lower) for score in many) > 0.05 * len(many)


def test_the_interval_of_the_area_is_wider_where_users_differ() -> None:
    random = Random(3)
    alike = [judged(random, 1.5) for _ in range(4)]
    different = [judged(random, 0.0), judged(random, 3.0), judged(random, 0.5), judged(random, 4.0)]
    narrow, wide = area_interval(alike, Random(1)), area_interval(different, Random(1))
    assert wide[1] - wide[0] > 1.3 * (narrow[1] - narrow[0])
    assert area_interval(alike, Random(1)) == narrow


def judged(random: Random, apart: float) -> Judged:
    own = tuple(random.gauss(0, 1) for _ in range(60))
    masquerades = tuple(random.gauss(apart, 1) for _ in range(20))
    return Judged(own=own, masquerades=masquerades, own_held=3, masquerades_held=10)


def test_users_who_tell_nothing_are_left_out() -> None:
    whole = judged(Random(1), 1)
    empty = Judged(own=(1.0,), masquerades=(), own_held=0, masquerades_held=0)
    found = figures({"a": whole, "b": empty}, Random(1))
    assert set(found["users"]) == {"a"}
    assert found["held"] == {"own": 0.05, "masquerades": 0.5}
    assert figures({"b": empty}, Random(1))["auc"] is None


# The model and its peers --------------------------------------------------------------------------------------------


def taught(*learned: Sequence[str], anywhere: Sequence[Sequence[str]] = ()) -> Person:
    person = Person(Anywhere([anywhere]))
    for commands in learned:
        person.learn(commands)
    return person


def test_own_habits_speak_for_the_person_and_others_against() -> None:
    ours, theirs = typed(1, Random(1)), typed(2, Random(2))
    person = taught(
        *[typed(1, Random(seed)) for seed in range(20)], anywhere=[typed(2, Random(9)), typed(3, Random(8))]
    )
    assert person.score(ours) < 0 < person.score(theirs)
    assert person.score(ours) == person.score(ours)


def test_what_only_this_person_uses_speaks_more_than_what_everybody_uses() -> None:
    person = taught(["ls", "mine"] * 500, anywhere=[["ls", "cd"] * 500])
    assert person.score(["mine"]) < person.score(["ls"]) < 0


def test_nothing_is_known_of_nobody() -> None:
    assert taught().score(["ls", "cd"]) == 0
    assert taught().score([]) == 0


def test_what_comes_again_within_a_block_tells_less_each_time() -> None:
    person = taught(*[["ls", "cd"] * 50] * 20, anywhere=[["new", "ls"] * 50])
    bits = [person.score(["new"] * times) * times for times in (1, 10, 100)]
    assert 0 < bits[0] < bits[1] < bits[2]
    assert bits[2] - bits[1] < 0.5 * 90 * bits[0]


def test_the_order_counts() -> None:
    person = taught(*[["a", "b", "c"] * 30] * 10, anywhere=[["a", "c", "b"] * 30] * 3)
    assert person.score(["a", "b", "c"] * 5) < person.score(["c", "b", "a"] * 5)


def test_what_is_usual_anywhere_is_only_read() -> None:
    anywhere = Anywhere([[["ls", "cd"]]])
    before = {key: (row.n, dict(row.cells)) for key, row in anywhere.table.rows.items()}
    person = Person(anywhere)
    person.learn(["rm", "ls"])
    person.score(["rm", "cd"])
    assert {key: (row.n, dict(row.cells)) for key, row in anywhere.table.rows.items()} == before


def test_every_block_is_counted_alone() -> None:
    """From one block to the next somebody else may have sat down."""
    assert len(Anywhere([[["a"], ["b"]]]).table.rows) == 1
    assert len(Anywhere([[["a", "b"]]]).table.rows) == 3  # b after a, and in a's company


def test_the_peers_measure_what_they_say() -> None:
    never = NeverSeen()
    never.learn(["ls"])
    assert never.score(["ls", "cd", "cd", "vi"]) == 0.75
    markov = MarkovChain()
    markov.learn(["a", "b", "a", "b"])
    assert markov.score(["a", "b"]) == pytest.approx(math.log2((2 + 3) / (2 + 1)))
    assert markov.score(["a", "a"]) > markov.score(["a", "b"])
    bayes = NaiveBayes([[["a", "b", "b", "b"]]])
    bayes.learn(["a", "a", "a", "b"])
    assert bayes.score(["b"]) == pytest.approx(math.log2(3.01 / 1.01))
    assert bayes.score(["a"]) == pytest.approx(-math.log2(3.01 / 1.01))


# Splicing and reading -----------------------------------------------------------------------------------------------


def test_a_spliced_masquerade_is_of_others_in_the_group_and_the_own_blocks_stay() -> None:
    group = [
        User(name=f"u{number}", teaching=tuple(Block(commands=(f"{number}-{n}",)) for n in range(50)), later=())
        for number in range(6)
    ]
    name, teaching, later = splice("set/", group[2], group, seed="1")
    assert (name, len(teaching)) == ("set/u2", 20)
    own = [block.commands for block in (*teaching, *later) if not block.masquerade]
    assert own == [block.commands for block in group[2].teaching]
    foreign = {block.commands[0].split("-")[0] for block in later if block.masquerade}
    assert foreign
    assert "2" not in foreign
    assert len(foreign) <= 3
    assert splice("set/", group[2], group, seed="1") == (name, teaching, later)


def test_the_first_5000_commands_teach(tmp_path: Path) -> None:
    rows: History = [("u", ["ls"] * 300, "0") for _ in range(20)]
    (user,) = load(write(tmp_path / "x.commands.csv.gz", rows))
    assert (len(user.teaching), len(user.later)) == (17, 3)
    assert user.labelled


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("u,0,0,ls,0\nu,0,2,ls,0\n", "line 3: position '2'"),
        ("u,0,0,ls,0\nu,2,0,ls,0\n", "block '2', expected 1"),
        ("u,0,0,ls,0\nu,0,1,ls,1\n", "line 3: label '1'"),
        ("u,0,0,ls,x\n", "label 'x'"),
        ("u,0,0,,0\n", "no command"),
        ("u,0,0,ls,1\n", "a masquerade among the first 5,000 commands"),
        ("u,0,0,ls,0\nv,0,0,ls,0\nu,1,0,ls,0\n", "user u comes twice"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, rows: str, reason: str) -> None:
    path = tmp_path / "bad.commands.csv.gz"
    path.write_bytes(gzip.compress((",".join(COLUMNS) + "\n" + rows).encode()))
    with pytest.raises(FileError, match=reason):
        load(path)


def test_a_file_that_is_no_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "bad.commands.csv.gz"
    path.write_bytes(b"no gzip")
    with pytest.raises(FileError, match=r"bad\.commands\.csv\.gz"):
        load(path)
    path.write_bytes(gzip.compress(b"user,command\nu,ls\n"))
    with pytest.raises(FileError, match="no column block, position, label"):
        load(path)


def test_published_command_histories(data_folder: Path) -> None:
    """On the real set, where it is there: the target, and ahead of the published method."""
    found = run(data_folder, methods=["homeward", "naive_bayes"])
    if found["auc"] is None:
        pytest.skip("no labelled command histories among the recordings")
    assert found["auc"] >= 0.97
    assert found["hits_at_5pct"] >= 0.80
    assert all(found["auc"] > peer["auc"] for name, peer in found["methods"].items() if name != "homeward")
