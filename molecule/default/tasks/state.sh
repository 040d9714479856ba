#!/bin/bash
# Prints a machine's state, a finding a line: files of /etc, packages, firmware, records, the user's home, containers, images and the engine's start.
set -eu -o pipefail
find /etc -xdev -type f ! -name '*.cache' ! -name resolv.conf ! -name mtab -exec sha256sum {} + | sort -k2
dpkg-query --show --showformat '${Package} ${Version} ${db:Status-Abbrev}\n'
find /lib/firmware /var/lib/navilab -type f -printf '%p %s\n' 2>/dev/null | sort || true
find /home/lab -xdev ! -path '*/.ansible*' ! -path '*/.ssh*' -printf '%p %U:%G %m %s %y\n' | sort
if command -v docker >/dev/null; then
  docker ps --all --quiet | xargs -r docker inspect --format \
    '{{.Id}} {{.Name}} {{.Image}} {{.State.StartedAt}} {{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}'
  docker image ls --no-trunc --quiet | sort
  systemctl show docker --property ActiveEnterTimestamp
fi
