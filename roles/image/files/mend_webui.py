"""Let the webui start while somebody asks it something.

mend_webui.py WEBUI

Its page answers before its API is put together. A request in between makes Starlette build its middleware, and what the
API adds then ends the program ('Cannot add middleware after an application has started'): a health check is enough.
"""

from __future__ import annotations

import sys
from pathlib import Path

FILE = Path("modules/initialize_util.py")
ADDED = """

# Added by navilab.webui: what is added late takes effect with the next request, in place of ending the start.
def _add_middleware(self, middleware_class, **options):
    from starlette.middleware import Middleware

    self.user_middleware.insert(0, Middleware(middleware_class, **options))
    self.middleware_stack = None


from starlette.applications import Starlette  # noqa: E402

Starlette.add_middleware = _add_middleware
"""


def main() -> int:
    file = Path(sys.argv[1]) / FILE
    if not file.is_file():
        print(f"{FILE}: there is none")
        return 0
    with file.open("a", encoding="utf-8") as text:
        text.write(ADDED)
    print(f"{FILE}: takes middleware late")
    return 0


if __name__ == "__main__":
    sys.exit(main())
