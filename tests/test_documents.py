"""What the documents show is what the files hold."""

import re
from pathlib import Path

from openoutcry.actors import roles
from openoutcry.config.schema import ConnectorSettings, SecretSource, Settings
from openoutcry.connector import Connector
from openoutcry.exchanges.registry import known_exchanges

ROOT = Path(__file__).parent.parent


def test_the_example_in_the_readme_is_the_file() -> None:
    blocks = re.findall(r"```python\n(.*?)```", read("README.md"), flags=re.DOTALL)
    assert read("examples/embed.py") in blocks


def test_what_the_readme_names_of_a_connector_is_there() -> None:
    (also_there,) = re.findall(r"^Also there: (.*?)\.( |$)", read("README.md"), flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"`([a-z_]+)`", also_there[0])
    assert len(names) > 15
    assert [name for name in names if not hasattr(Connector, name)] == []


def test_the_tree_that_is_drawn_has_every_role() -> None:
    drawn = set(re.findall(r"^[ ├└─]+[A-Za-z \"]+?  +([a-z_]+) ", read("docs/architecture.md"), flags=re.MULTILINE))
    known = {value for name, value in vars(roles).items() if name.isupper() and isinstance(value, str)}
    assert drawn == known | {"dead_letters"}


def test_every_exchange_and_domain_has_its_page() -> None:
    for exchange, domains in known_exchanges().items():
        page = read(f"docs/exchanges/{exchange}.md")
        assert [domain for domain in domains if f"| `{domain}`" not in page] == []


def test_every_target_of_make_that_a_document_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", read("Makefile"), flags=re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md"):
        assert set(re.findall(r"\bmake ([a-z]+)\b +#", read(page))) <= targets


def test_every_key_of_the_config_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)`", read("docs/config.md"), flags=re.MULTILINE))
    keys = {*Settings.model_fields, *ConnectorSettings.model_fields, *SecretSource.model_fields}
    assert explained == keys - {"connectors"}


def test_every_dependency_has_its_reason() -> None:
    reasons = read("docs/decisions.md").lower()
    named = re.findall(r'^    "([a-z0-9-]+)>=', read("pyproject.toml"), flags=re.MULTILINE)
    assert "aiohttp" in named
    assert [name for name in named if f"| {name} |" not in reasons] == []


def test_every_link_between_the_documents_leads_to_a_file() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
