"""`python -m scripts.docs`: write every generated page; a test fails while one is outdated."""

from __future__ import annotations

from scripts.docs.markdown import ROOT
from scripts.docs.pages import PAGES


def main() -> None:
    for name, page in PAGES.items():
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page())
        print(name)


if __name__ == "__main__":
    main()
