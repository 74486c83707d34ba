"""What a restriction leaves of a user's rights, compared with what MQTT's own rules say about every topic."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.client import topic_matches_sub

from homeward.responders.broker_claims import (
    CONTROL,
    RIGHTS_LIMIT,
    Acl,
    Membership,
    Note,
    Picture,
    Role,
    User,
    common,
    denials,
    is_filter,
    read_right,
)

LEVELS = ("a", "b", "")
TOPICS = [
    "/".join(levels) for length in (1, 2, 3) for levels in product(LEVELS, repeat=length) if any(levels)
] + ["$SYS/a", "$CONTROL/a", CONTROL]  # fmt: skip

PLAIN = st.lists(st.sampled_from(("a", "b", "", "+")), min_size=1, max_size=3).map("/".join).filter(bool)
FILTERS = st.one_of(PLAIN, PLAIN.map(lambda levels: f"{levels}/#"), st.just("#"))
ANY_FILTERS = st.one_of(FILTERS, st.sampled_from(["$SYS/#", "$SYS/+", "$CONTROL/#", CONTROL]))
OWNERS = st.lists(st.tuples(ANY_FILTERS, st.booleans()), max_size=5, unique_by=lambda rule: rule[0])
OWN = st.lists(FILTERS, min_size=1, max_size=3)

NOTHING = Note(homeward="restrict", user="plug", until="")


def decided(rules: list[Acl], topic: str, default: bool) -> bool:
    """What the first rule that fits says."""
    return next((rule.allow for rule in rules if topic_matches_sub(rule.topic, topic)), default)


def picture(owners: list[tuple[str, bool]], default: bool) -> Picture:
    """One user with one role."""
    acls = tuple(Acl("publishClientSend", topic, allow) for topic, allow in owners)
    user = User("plug", roles=(Membership(rolename="device"),))
    return Picture({"plug": user}, {}, {"device": Role("device", acls=acls)}, {"publishClientSend": default})


@given(ANY_FILTERS, ANY_FILTERS)
def test_what_two_filters_share_fits_both_and_nothing_else_does(one: str, other: str) -> None:
    both = common(one, other)
    for topic in TOPICS:
        fits = topic_matches_sub(one, topic) and topic_matches_sub(other, topic)
        assert (both is not None and topic_matches_sub(both, topic)) == fits, (both, topic)


@given(OWNERS, st.booleans(), OWN, st.one_of(st.none(), OWN), OWN)
@example([("a/b", False), ("#", True)], False, ["a/#"], ["+/b", "a/a"], ["a"])
@example([("#", True)], True, ["a/#"], None, ["+/b"])
def test_a_restriction_leaves_what_the_user_may_and_every_claim_allows(
    owners: list[tuple[str, bool]], default: bool, own: list[str], second: list[str] | None, commands: list[str]
) -> None:
    note = Note(homeward="restrict", user="plug", until="", allow=tuple(f"publish {topic}" for topic in own))
    other = Note(
        homeward="restrict", user="plug", until="", allow=tuple(f"publish {topic}" for topic in second or ())
    )
    seen = picture(owners, default)
    own_rules = list(seen.rules("plug", "publishClientSend"))
    rules = [*denials(note, [other], seen, commands), *own_rules]
    for topic in TOPICS:
        allowed = any(topic_matches_sub(one, topic) for one in own)
        if second is not None:
            allowed = allowed and any(topic_matches_sub(one, topic) for one in second)
        else:
            allowed = allowed and not any(topic_matches_sub(one, topic) for one in commands)
        assert decided(rules, topic, default) == (allowed and decided(own_rules, topic, default)), topic


@given(OWNERS, st.booleans(), OWN)
def test_without_a_list_nothing_but_commands_is_taken_away(
    owners: list[tuple[str, bool]], default: bool, commands: list[str]
) -> None:
    seen = picture(owners, default)
    own_rules = list(seen.rules("plug", "publishClientSend"))
    rules = [*denials(NOTHING, [], seen, commands), *own_rules]
    for topic in TOPICS:
        command = any(topic_matches_sub(one, topic) for one in commands)
        assert decided(rules, topic, default) == (not command and decided(own_rules, topic, default)), topic


def test_nothing_is_left_to_who_is_cut_off() -> None:
    seen = picture([("#", True), ("$SYS/#", True)], True)
    note = Note(homeward="quarantine", user="plug", until="")
    for kind in ("publishClientSend", "publishClientReceive"):
        rules = [rule for rule in denials(note, [], seen, ()) if rule.acltype == kind]
        assert not [topic for topic in TOPICS if decided(rules, topic, True)]


def test_a_rule_for_each_of_thousands_of_topics_is_too_much() -> None:
    seen = picture([(f"a/{number}", True) for number in range(RIGHTS_LIMIT + 1)], False)
    note = Note(homeward="restrict", user="plug", until="", allow=("publish a/#",))
    with pytest.raises(ValueError, match=r"too many rights to narrow"):
        denials(note, [], seen, ())


@pytest.mark.parametrize("wrong", ["", "a#", "a/#/b", "a+/b", "$SYS/#", "a\n", "x" * 2_000])
def test_what_is_no_filter_of_ordinary_topics(wrong: str) -> None:
    assert not is_filter(wrong)


@given(FILTERS)
def test_a_right_is_read_in_two_parts(topic: str) -> None:
    assert read_right(f"publish {topic}") == ("publish", topic)
    assert read_right(f"tcp {topic}") is None
