"""Messages in the language of the person, from `<language>.toml` and `frame.html`."""

import tomllib
from functools import cached_property
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from shared.kernel.errors import Bug
from shared.notifications.model import Language
from shared.notifications.ports import Words

FOLDER: Final = Path(__file__).parent
_FALLBACK: Final = "Cortado"


class JinjaTexts:
    """Fulfils `shared.notifications.ports.Texts`. What is filled in is escaped in HTML; a missing value is an error."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._texts: dict[str, dict[str, dict[str, str]]] = {}

    @cached_property
    def _plain(self) -> Environment:
        return Environment(undefined=StrictUndefined, autoescape=False)

    @cached_property
    def _html(self) -> Environment:
        return Environment(loader=FileSystemLoader(self._folder), undefined=StrictUndefined, autoescape=True)

    def words(self, template: str, language: Language, *, shop: str, order: str, code: str = "") -> Words:
        """Return the message in this language. Raises Bug for a template that nobody wrote."""
        found = self._of(language).get(template)
        if found is None:
            raise Bug(f"{language}.toml has no [{template}]")
        values = {"shop": shop or _FALLBACK, "order": order, "code": code}
        title = self._plain.from_string(found["title"]).render(values)
        text = self._plain.from_string(found["text"]).render(values)
        html = self._html.get_template("frame.html").render(language=language, title=title, text=text)
        return Words(title, text, html)

    def _of(self, language: str) -> dict[str, dict[str, str]]:
        if language not in self._texts:
            self._texts[language] = tomllib.loads((self._folder / f"{language}.toml").read_text(encoding="utf-8"))
        return self._texts[language]
