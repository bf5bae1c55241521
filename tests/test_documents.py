"""What the documents show is what the files hold."""

import re
from pathlib import Path

from openoutcry.config.schema import ConnectorSettings, SecretSource, Settings

ROOT = Path(__file__).parent.parent


def test_the_example_in_the_readme_is_the_file() -> None:
    blocks = re.findall(r"```python\n(.*?)```", read("README.md"), flags=re.DOTALL)
    assert read("examples/embed.py") in blocks


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
