"""MkDocs hooks: pages from outside docs/, the API pages, links that leave the site, and a check of what was built."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

from website import api_pages, links, navigation, outside_files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page


def on_startup(command: str, dirty: bool) -> None:
    """Exists so that MkDocs keeps this module between two builds of `serve`."""


@event_priority(100)  # before mkdocstrings reads its settings
def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete `nav`, and let mkdocstrings read the sources of all packages."""
    docs = Path(config.docs_dir)
    below = {
        "api.md": [f"api/{name}.md" for name in api_pages.PAGES],
        "decisions.md": [f"decisions/{file.name}" for file in sorted((docs / "decisions").glob("*.md"))],
    }
    config.nav = navigation.completed(config.nav, below)
    on_shutdown()  # of what an earlier build of `serve` has merged
    _sources.append(tempfile.TemporaryDirectory(prefix="alsek-sources-"))
    sources = merged_sources(Path(_sources[-1].name))
    config.plugins["mkdocstrings"].config["handlers"]["python"]["paths"] = [str(sources)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    pages = {page: (links.ROOT / source).read_text() for page, source in links.OUTSIDE.items()}
    pages |= api_pages.pages()
    pages["decisions.md"] = decisions_page(Path(config.docs_dir) / "decisions")
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    for name, source in links.PICTURES.items():
        files.append(File.generated(config, name, abs_src_path=str(links.ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make links work on the site: to another page of it, or to the file in the repository."""
    return links.for_the_site(markdown, page.file.src_uri)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site of which a page asks another host for a file."""
    found = outside_files.asked_for(Path(config.site_dir))
    if found:
        raise PluginError("the site asks other hosts for files:\n" + "\n".join(found))


def on_shutdown() -> None:
    """Remove what was merged."""
    while _sources:
        _sources.pop().cleanup()


_sources: list[tempfile.TemporaryDirectory[str]] = []


def merged_sources(folder: Path) -> Path:
    """All packages in one folder, as they are installed: mkdocstrings looks for `alsek` in one place only."""
    for source in sorted((links.ROOT / "packages").glob("*/src")):
        shutil.copytree(
            source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pyi", "__pycache__")
        )
    return folder


def decisions_page(folder: Path) -> str:
    """A page that lists the decisions."""
    lines = [
        "# Decisions",
        "",
        "One page for each decision that was hard to make: what was chosen, why, and what else was tried.",
        "",
    ]
    for file in sorted(folder.glob("*.md")):
        title = file.read_text().splitlines()[0].removeprefix("# ")
        lines.append(f"- [{title}](decisions/{file.name})")
    return "\n".join(lines) + "\n"
