#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model_publish
short_description: Publish a file as a blob of a registry
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Internal to the role image.
  - Sends a file to a registry, whose blob's digest is then the file's SHA-256, and holds it there against garbage
    collection by an OCI manifest with the SHA-256 for its tag.
  - Asks first, so that nothing is sent twice; without O(path) it does no more than that.
  - The file is read in parts, never into memory as a whole, and the checksum is computed on the way. The registry
    refuses a file that is another one.
extends_documentation_fragment:
  - navilab.webui.attributes.changes
options:
  sha256:
    description:
      - The file's checksum, 64 hex digits.
    type: str
    required: true
  path:
    description:
      - The file. Without it the registry is only asked whether it has it.
    type: str
  registry:
    description:
      - Address of a registry that can be written, C(http://HOST:PORT) or C(https://HOST:PORT).
    type: str
    required: true
  repository:
    description:
      - Repository there.
    type: str
    default: navilab/models
  login_file:
    description:
      - File on the host with the registry's login, in the form of docker's C(config.json). Nothing of it is shown.
    type: str
  ca_file:
    description:
      - Certificate authorities, as a file on the host in PEM, that are trusted beside the system's.
    type: str
seealso:
  - module: navilab.webui.model
"""

EXAMPLES = r"""
- name: Publish the model
  navilab.webui.model_publish:
    path: /var/cache/navilab-image/models/v1-5-pruned-emaonly.safetensors
    sha256: 6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa
    registry: http://127.0.0.1:5001
    login_file: /etc/navilab/registry/push/config.json
  become: true
"""

RETURN = r"""
there:
  description:
    - Whether the registry serves it now, blob and manifest.
  returned: always
  type: bool
sent:
  description:
    - Bytes of the file that were sent.
  returned: always
  type: int
digest:
  description:
    - The manifest's digest, empty where there is none.
  returned: always
  type: str
checks:
  description:
    - What stopped it, as M(navilab.webui.kfd_verify) returns checks.
  returned: always
  type: list
  elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._model_publish import ARGUMENTS, publish


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    result = publish(module.params, module.check_mode)
    if result["checks"]:
        lines = [f"{check['id']}: {check['evidence']}. Remedy: {check['remedy']}." for check in result["checks"]]
        module.fail_json(msg="\n".join(lines), **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
