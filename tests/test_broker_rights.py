"""Who may write what on a broker, as its files and its dynamic security say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeward.sources.broker_rights import (
    ANONYMOUS,
    Reach,
    Right,
    Topics,
    Writer,
    reaches,
    read_acl,
    read_configuration,
    read_dynamic_security,
    read_users,
)

ACL = """\
# everybody without a name
topic read public/#
topic write drop/box

user hub
topic #
topic deny locks/#

user lamp
topic write zigbee2mqtt/+/set
topic read zigbee2mqtt/#
topic write with spaces/in it

pattern write devices/%u/#
pattern write clients/%c/state
unknown words
"""


def writers(*users: str) -> dict[str, Writer]:
    return {writer.name: writer for writer in read_acl(ACL, users)}


@pytest.mark.parametrize(
    ("user", "topic", "allowed"),
    [
        ("hub", "anything/at/all", True),
        ("hub", "locks/front", False),
        ("hub", "$SYS/broker/log/N", False),
        ("lamp", "zigbee2mqtt/lock/set", True),
        ("lamp", "zigbee2mqtt/lock", False),
        ("lamp", "devices/lamp/state", True),
        ("lamp", "devices/other/state", False),
        ("lamp", "with spaces/in it", True),
        ("lamp", "clients/abc/state", True),
        ("gate", "devices/gate/state", True),
        (ANONYMOUS, "drop/box", True),
        (ANONYMOUS, "public/x", False),
        (ANONYMOUS, "devices/(without a name)/x", False),
    ],
)
def test_an_acl_file_is_read_as_mosquitto_reads_it(user: str, topic: str, allowed: bool) -> None:
    assert writers("gate")[user].may_write(topic) is allowed


def test_the_configuration_names_its_files_and_what_is_open() -> None:
    said = read_configuration(
        "listener 1883\nlistener 1884 127.0.0.1\nlistener 8883\ncertfile x.crt\nallow_anonymous true\n"
        "acl_file /etc/mosquitto/acl\npassword_file /etc/mosquitto/passwords\n# allow_anonymous false\nplugin x.so\n"
    )
    assert said.anonymous
    assert (said.acl_file, said.password_file) == ("/etc/mosquitto/acl", "/etc/mosquitto/passwords")
    assert said.open_listeners == ("1883",)
    assert said.plugins == ("x.so",)


def test_of_the_password_file_only_names_are_kept() -> None:
    assert read_users("hub:$7$101$secret\n# comment:\nlamp:$7$x\nnonsense\n:\n") == ["hub", "lamp"]


def answer(**said: object) -> bytes:
    return json.dumps({"responses": [{"command": name, "data": data} for name, data in said.items()]}).encode()


def acl(topic: str, allow: bool = True, priority: int = 0, kind: str = "publishClientSend") -> dict[str, object]:
    return {"acltype": kind, "topic": topic, "allow": allow, "priority": priority}


def test_dynamic_security_is_read_with_its_roles_groups_and_priorities() -> None:
    found = read_dynamic_security(
        [
            answer(
                listClients={
                    "totalCount": 3,
                    "clients": [
                        {"username": "lamp", "roles": [{"rolename": "bulb"}], "groups": [{"groupname": "all"}]},
                        {
                            "username": "hub",
                            "roles": [{"rolename": "low", "priority": 1}, {"rolename": "high", "priority": 5}],
                        },
                        {"username": "old", "disabled": True, "roles": [{"rolename": "low"}]},
                    ],
                },
                listRoles={
                    "roles": [
                        {"rolename": "bulb", "acls": [acl("lamp/#"), acl("#", kind="subscribePattern")]},
                        {"rolename": "low", "acls": [acl("#")]},
                        {"rolename": "high", "acls": [acl("locks/#", allow=False), acl("locks/shed", priority=9)]},
                        {"rolename": "guests", "acls": [acl("guest/#")]},
                    ]
                },
                listGroups={"groups": [{"groupname": "all", "roles": [{"rolename": "guests"}]}]},
                getDefaultACLAccess={"acls": [{"acltype": "publishClientSend", "allow": False}]},
                getAnonymousGroup={"group": {"groupname": "all"}},
            )
        ]
    )
    by_name = {writer.name: writer for writer in found}
    assert set(by_name) == {"lamp", "hub", ANONYMOUS}
    assert by_name["lamp"].may_write("lamp/x")
    assert by_name["lamp"].may_write("guest/x")
    assert not by_name["lamp"].may_write("locks/x")
    assert by_name["hub"].may_write("anything")
    assert not by_name["hub"].may_write("locks/front")
    assert by_name["hub"].may_write("locks/shed")
    assert by_name[ANONYMOUS].may_write("guest/x")


DEVICES = [
    Topics(device="lock", names=frozenset({"lock"}), commands=("z/lock/set",), states=("z/lock",)),
    Topics(device="lamp", names=frozenset({"lamp"}), commands=("z/lamp/set",), states=("z/lamp",)),
]


def test_whoever_may_write_what_is_not_its_own_is_told_the_farthest_first() -> None:
    found = reaches(
        [
            Writer("hub", (Right("#"),)),
            Writer("lamp", (Right("z/+/set"),)),
            Writer("lock", (Right("z/lock"), Right("z/lock/set"))),
            Writer("nobody"),
            Writer(ANONYMOUS, (Right("z/lamp"),)),
        ],
        DEVICES,
        ["z/bridge/devices"],
    )
    assert found == [
        Reach(user="lamp", device="lamp", commands=("lock",)),
        Reach(user=ANONYMOUS, states=("lamp",)),
        Reach(user="hub", commands=("lock", "lamp"), states=("lock", "lamp"), discovery=("z/bridge/devices",)),
    ]
    assert [reach.excess for reach in found] == [True, True, False]


@given(st.text())
def test_any_text_is_survived(written: str) -> None:
    for writer in read_acl(written, read_users(written)):
        writer.may_write("a/b")
    read_configuration(written)
    read_dynamic_security([written.encode("utf-8", "replace")])


@given(
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text(max_size=4)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["clients", "roles", "acls", "groups", "username", "rolename", "topic", "priority", "group"]
                ),
                inner,
            ),
        ),
    )
)
def test_any_answer_of_dynamic_security_is_survived(data: object) -> None:
    commands = ("listClients", "listRoles", "listGroups", "getDefaultACLAccess", "getAnonymousGroup")
    for writer in read_dynamic_security([answer(**dict.fromkeys(commands, data))]):
        writer.may_write("a/b")
