#!/bin/bash
# Make the image's locks again from their *.in files: tests/tools/image_locks.sh. Needs uv (pip install uv) and PyPI.
# PYTHON.txt is what the webui needs, PYTHON-extensions.txt what the default extensions add; hashes of every file that PyPI has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../roles/image/files/locks"

lock() { # PYTHON TORCH TORCHVISION [REQUIREMENT]
  local name=py${1/./} tmp
  tmp=$(mktemp -d)
  printf '%s\n' "torch==$2" "torchvision==$3" "${@:4}" >"$tmp/torch"
  local compile=(uv pip compile --quiet --python-version "$1" --python-platform x86_64-manylinux_2_28 --override overrides.in --override "$tmp/torch"
    --no-emit-package torch --no-emit-package torchvision --no-annotate --no-header --generate-hashes --default-index https://pypi.org/simple)
  "${compile[@]}" extensions.in --output-file "$tmp/all"
  "${compile[@]}" webui.in --constraint "$tmp/all" --output-file "$tmp/webui"
  {
    echo "# Python $1, torch $2: the webui. Made by tests/tools/image_locks.sh."
    cat "$tmp/webui"
  } >"$name.txt"
  {
    echo "# Python $1, torch $2: what the default extensions add to the webui's. Made by tests/tools/image_locks.sh."
    # A package and its hashes are one paragraph here.
    comm -13 <(paragraphs <"$tmp/webui" | sort) <(paragraphs <"$tmp/all" | sort) | sed 's/ --hash/ \\\n    --hash/g'
  } >"$name-extensions.txt"
  rm -r "$tmp"
}
paragraphs() { sed -z 's/ *\\\n */ /g'; }

lock 3.11 2.13.0 0.28.0
lock 3.10 1.13.1 0.14.1 torchmetrics==1.5.2
