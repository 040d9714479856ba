#!/bin/bash
# The documentation as a site: tests/tools/docs_site.sh DIR makes it in DIR/build/html, in two minutes.
# Needs antsibull-docs, Sphinx, sphinx-ansible-theme and ansible-core on the PATH, and no network.
set -euo pipefail
collection=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
mkdir -p "${1:?where to build}"
site=$(cd "$1" && pwd)
export ANSIBLE_COLLECTIONS_PATH=$collection/collections
antsibull-docs sphinx-init --use-current --squash-hierarchy --dest-dir "$site" --project navilab.webui --title navilab.webui \
  --html-short-title navilab.webui --copyright 'navilab.webui contributors' navilab.webui >/dev/null
cat >>"$site/conf.py" <<'END'
# What other projects' pages have is looked up on the network, which is not needed to look at these.
intersphinx_mapping = {}
nitpicky = False
suppress_warnings = ["ref.ref"]
END
chmod og-w "$site/rst" # antsibull-docs wants that
antsibull-docs --config-file "$site/antsibull-docs.cfg" collection --use-current --squash-hierarchy --fail-on-error --cleanup everything \
  --dest-dir "$site/rst" navilab.webui
# Pages are linked as files, which is what a repository's own view of them follows; the site has a label for each.
perl -0pi -e 's{(?<!`)`([^`<]+<)(guide_\w+)\.rst>`__}{:ref:`$1ansible_collections.navilab.webui.docsite.$2>`}g;
  s{(?<!`)`([^`<]+<)\.\./\.\./\.\./roles/(\w+)/README\.md>`__}{:ref:`$1ansible_collections.navilab.webui.$2_role>`}g' "$site"/rst/docsite/*.rst
cp -r "$collection/docs/docsite/rst/images" "$site/rst/docsite/" # antsibull-docs takes no pictures along
sphinx-build --quiet --keep-going --fail-on-warning -b html -c "$site" "$site/rst" "$site/build/html"
echo "$site/build/html/index.html"
