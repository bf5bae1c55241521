"""Secrets: read where the config says, and never shown, whatever goes wrong."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from openoutcry.config.errors import ConfigError
from openoutcry.config.schema import SecretSource
from openoutcry.config.secrets import read_secret

CANARY = "CANARY-5up3r-s3cr3t"


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", CANARY)
    assert read_secret(SecretSource(env="SOME_KEY")) == CANARY


def test_a_secret_comes_from_a_file_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{CANARY}\n")
    assert read_secret(SecretSource(file=tmp_path / "key")) == CANARY


def test_a_private_key_keeps_its_lines(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----"
    (tmp_path / "key.pem").write_text(pem + "\n")
    assert read_secret(SecretSource(file=tmp_path / "key.pem")) == pem


def test_a_missing_variable_is_named_and_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(ConfigError, match=r"environment variable NOT_THERE is not set: export NOT_THERE="):
        read_secret(SecretSource(env="NOT_THERE"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere does not exist"):
        read_secret(SecretSource(file=tmp_path / "nowhere"))


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" \n")
    with pytest.raises(ConfigError, match="is empty"):
        read_secret(SecretSource(file=tmp_path / "key"))


def test_a_file_that_is_no_text_is_refused_and_nothing_of_it_shown(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(CANARY.encode() + b"\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        read_secret(SecretSource(file=tmp_path / "key"))
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(SecretSource(file=tmp_path))


def test_without_the_keyring_package_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match=r"pip install 'openoutcry\[keyring\]'"):
        read_secret(SecretSource(keyring="openoutcry/binance"))


def keyring_that(monkeypatch: pytest.MonkeyPatch, entries: dict[tuple[str, str], str]) -> None:
    """A keyring of this test's own: the system's one is none of its business."""
    module = ModuleType("keyring")
    module.get_password = lambda service, name: entries.get((service, name))  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "keyring", module)


def test_a_secret_comes_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring_that(monkeypatch, {("openoutcry", "binance/secret"): CANARY})
    assert read_secret(SecretSource(keyring="openoutcry/binance/secret")) == CANARY


def test_a_missing_keyring_entry_is_named_and_how_to_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    keyring_that(monkeypatch, {})
    with pytest.raises(ConfigError, match="keyring set openoutcry binance"):
        read_secret(SecretSource(keyring="openoutcry/binance"))


def test_a_keyring_that_fails_shows_the_kind_of_failure_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_service: str, _name: str) -> str:
        raise RuntimeError(f"locked while holding {CANARY}")

    module = ModuleType("keyring")
    module.get_password = fail  # type: ignore[attr-defined]  # a module made here
    monkeypatch.setitem(sys.modules, "keyring", module)
    with pytest.raises(ConfigError, match="RuntimeError") as caught:
        read_secret(SecretSource(keyring="openoutcry/binance"))
    assert CANARY not in repr(caught.value)
    assert caught.value.__context__ is None
