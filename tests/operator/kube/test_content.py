"""What Secrets and ConfigMaps hold."""

from base64 import b64encode

from chekov_operator.kube.content import Content, content_of
from chekov_operator.kube.kinds import CONFIG_MAP, SECRET
from chekov_operator.kube.objects import Object


def secret(uid: str = "one", **values: str) -> Object:
    data = {name: b64encode(value.encode()).decode() for name, value in values.items()}
    return {"metadata": {"uid": uid}, "data": data}


def test_of_a_secret_only_digests_are_kept() -> None:
    found = content_of(SECRET, secret(password="s3cret", user="bank"))
    assert set(found.digests) == {"password", "user"}
    assert found.data == {}
    assert "s3cret" not in repr(found)


def test_equal_passwords_of_two_secrets_have_different_digests() -> None:
    one = content_of(SECRET, secret("one", password="s3cret"))
    two = content_of(SECRET, secret("two", password="s3cret"))
    assert one.digests != two.digests


def test_the_version_of_one_value_is_its_own() -> None:
    before = content_of(SECRET, secret(a="1", b="1"))
    after = content_of(SECRET, secret(a="1", b="2"))
    assert before.version("a") == after.version("a")
    assert before.version("b") != after.version("b")
    assert before.version(None) != after.version(None)


def test_what_is_not_there_has_no_version() -> None:
    assert Content().version("a") == ""


def test_of_a_config_map_the_text_is_kept_too() -> None:
    body: Object = {"metadata": {}, "data": {"bank.py": "x = 1"}, "binaryData": {"logo": "AA=="}}
    found = content_of(CONFIG_MAP, body)
    assert found.data == {"bank.py": "x = 1"}
    assert set(found.digests) == {"bank.py", "logo"}
