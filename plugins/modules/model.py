#!/usr/bin/python
# Copyright: navilab.webui contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: model
short_description: Have a large file with a known checksum, fetched once and never half
version_added: "0.1.0"
author:
  - navilab.webui contributors (@navilab)
description:
  - Takes a file that lies on the host already, or fetches it from the first address that has it, and shows how far it
    is.
  - It grows in a part file beside the target, C(.NAME.part-), and gets its name when its checksum is right. The part
    file stays after a failure, and the next run asks for the rest; a server that can't send the rest sends all again.
  - A connection that breaks is taken up again; then the next address is asked. A failure names each address with what
    to do.
  - Free space is checked before anything is fetched.
  - Redirects lead to http and https alone, and never from https to http. The environment's proxies are used, but not
    for private addresses.
  - The work is done with the rights of O(owner), in a process of its own that ends when nobody asks for it any more.
    So whatever a user has put into the directory, nothing is written that this user could not write.
extends_documentation_fragment:
  - navilab.webui.attributes.writes
attributes:
  action:
    description: An action plugin on the controller repeats the module and prints the progress.
    support: full
options:
  path:
    description:
      - Absolute path of the file. Its directory is there already, and O(owner) can write it.
    type: str
    required: true
  name:
    description:
      - What it is called in messages; the name of the file by default.
    type: str
  sha256:
    description:
      - Its checksum, 64 hex digits.
    type: str
    required: true
  size:
    description:
      - Its size in bytes. With it a wrong file is known before it is fetched, and so is a full disk.
    type: int
  urls:
    description:
      - Addresses in the order in which they are asked, http, https or C(file:///PATH) on the host.
      - A login or a query is sent, and neither shown nor logged.
    type: list
    elements: str
    default: []
  secret_urls:
    description:
      - The action plugin's own, which puts the addresses with a login or query here, by their number.
    type: dict
    default: {}
  candidates:
    description:
      - Files on the host that may be the same. One with the right size and checksum is linked where it lies on the same
        file system with the same owner, group and mode, and copied else.
    type: list
    elements: str
    default: []
  owner:
    description:
      - Account that the file belongs to, by name or number.
    type: str
    default: root
  group:
    description:
      - Its group, by name or number; that of the account by default.
    type: str
  mode:
    description:
      - Its mode in octal digits.
    type: str
    default: "0644"
  cas:
    description:
      - Certificate authorities that are trusted beside the system's, by C(HOST:PORT) as it stands in the address; each
        as PEM or as the path of a file on the host. Each counts for its own address alone.
    type: dict
    default: {}
  slice:
    description:
      - Seconds to wait on the host before it reports back. Each slice is one round trip.
    type: int
    default: 10
  job:
    description:
      - The action plugin's own, which tells its work from an earlier run's.
    type: str
    default: ""
seealso:
  - module: navilab.webui.model_publish
  - module: ansible.builtin.get_url
"""

EXAMPLES = r"""
- name: Have the model
  navilab.webui.model:
    path: /srv/models/v1-5-pruned-emaonly.safetensors
    sha256: 6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa
    size: 4265146304
    urls:
      - https://mirror.example/v1-5-pruned-emaonly.safetensors
      - https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/resolve/main/v1-5-pruned-emaonly.safetensors
    owner: lab
  become: true
"""

RETURN = r"""
how:
  description:
    - V(present), V(attributes) (owner, group or mode alone), V(linked), V(copied) or V(fetched).
  returned: success
  type: str
fetched:
  description:
    - Bytes that came from addresses, those that were thrown away included.
  returned: always
  type: int
resumed:
  description:
    - Bytes of it that an earlier run had left.
  returned: always
  type: int
size:
  description:
    - Its size in bytes, null where that is not known.
  returned: always
  type: int
address:
  description:
    - Where it came from, an address without login and query or a path; empty where it was there.
  returned: always
  type: str
notes:
  description:
    - What happened on the way, such as a broken connection.
  returned: always
  type: list
  elements: str
checks:
  description:
    - What stopped it, an address each, as M(navilab.webui.kfd_verify) returns checks.
  returned: failure
  type: list
  elements: dict
seconds:
  description:
    - How long it took.
  returned: always
  type: int
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.navilab.webui.plugins.module_utils._model import ARGUMENTS, attended


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.exit_json(**{"changed": False, **attended(module.params, module.check_mode)})


if __name__ == "__main__":
    main()
